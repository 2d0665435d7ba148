#include "gateway/base/secrets.h"

#include <doctest/doctest.h>

#include <string>

#include "gateway/base/text.h"

using namespace sallyport;

namespace {

std::string shown(const std::string& text) { return text::printable(text, 100'000); }

const std::string open_part = "sp_AbCdEfGhIjKl_", secret = "Qq123456789secret_Zz9";
const std::string header = "eyJhbGciOiJFUzI1NiIsImtpZCI6ImsxIn0";  // {"alg":"ES256","kid":"k1"}
const std::string payload = "eyJzdWIiOiJhbm4iLCJleHAiOjF9", signature = "Vd-3_Yx0aB";

// Each byte at which `which` is not 0 written percent-encoded, `times` over.
std::string encoded(const std::string& text, size_t each, int times = 1) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (i % each != 0 && text[i] != '_' && text[i] != '.') {
      out += text[i];
      continue;
    }
    out += '%';
    for (int n = 1; n < times; ++n) out += "25";
    for (const int digit : {text[i] >> 4, text[i] & 15}) out += "0123456789abcdef"[digit];
  }
  return out;
}

}  // namespace

TEST_CASE("an API key is shown without its secret, in upper or lower case, wherever it stands") {
  for (const std::string& prefix : {"sp_", "SP_", "Sp_", "sP_"}) {
    const std::string open = prefix + open_part.substr(3);
    for (size_t before = 0; before < 40; ++before) {
      const std::string front(before, '/');
      CHECK(shown(front + open + secret + "/y") == front + open + ".../y");
      CHECK(shown(front + open + secret) == front + open + "...");
    }
    CHECK(shown(open + "a " + open + "b") == open + "... " + open + "...");
    CHECK(shown(open + "a%0Db%zz=~-.c d") == open + "... d");  // broken off in between: still its secret
  }
  CHECK(shown(open_part + "1").ends_with("..."));
  CHECK(shown(open_part + "a+b*c d") == open_part + "... d");
}

TEST_CASE("a token is one also where its JSON has blanks, or ends of lines, behind the brace") {
  for (const std::string part :  // of { "a":1...} with each of them
       {"eyAiYWxnIjoiRVMyNTYiIH0", "ewoiYWxnIjoiRVMyNTYiIH0", "ewkiYWxnIjoiRVMyNTYiIH0",
        "ew0iYWxnIjoiRVMyNTYiIH0"}) {
    CHECK(shown("/t/" + part + "." + part + "." + signature + "/y") == "/t/" + part.substr(0, 8) + ".../y");
  }
}

TEST_CASE("a token is shown by how it begins, whatever it is and however many parts it has") {
  const std::string open = "eyJhbGci...";
  for (const std::string& rest :
       {payload + "." + signature, "." + signature, payload + ".", payload,
        payload + "." + signature + "~WyJh~", signature + "." + signature + "." + payload + "." + signature,
        ".iv." + payload + ".tag"}) {
    CAPTURE(rest);
    for (size_t before = 0; before < 40; ++before) {
      const std::string front(before, 'x');
      CHECK(shown(front + header + "." + rest + "/y") == front + open + "/y");
    }
  }
  CHECK(shown("eyjhbgcioijfuzi1niisimtpzci6imsxin0.eyjz.Vd") == "eyjhbgci...");  // as hosts are
  CHECK(shown("eyJhbGciOiJ9eyJ.a") == "eyJhbGci...");
}

TEST_CASE("a secret that is written percent-encoded is found, also by who decodes twice") {
  for (const int times : {1, 2, 3}) {
    for (const size_t each : {1, 2, 3, 5, 1000}) {
      CAPTURE(times);
      CAPTURE(each);
      const std::string key =
          shown("/" + encoded(open_part, each, times) + encoded(secret, each, times) + "/y");
      CHECK(key == "/" + encoded(open_part, each, times) + ".../y");
      const std::string token = encoded(header + "." + payload + "." + signature, each, times);
      CHECK(shown("a " + token + " b") == "a " + encoded(header.substr(0, 8), each, times) + "... b");
    }
  }
  CHECK(shown("%73p_AbCdEfGhIjKl_x") == "%73p_AbCdEfGhIjKl_...");
  CHECK(shown("%53%50%5fAbCdEfGhIjKl%5Fx") == "%53%50%5fAbCdEfGhIjKl%5F...");
}

TEST_CASE("what only looks like a secret is shown whole") {
  for (const std::string& text : {"/sp_ace/eyJunk/station",
                                  "/eyJohnsons.html",
                                  "sp_AbCdEfGhIjKl_",
                                  "sp_AbCdEfGhIjK_secret",
                                  "sp_AbC",
                                  "sp_AbCdEf-hIjKl_secret",
                                  "/disp_x/map_of_the_world",
                                  "/caf%C3%A9/%E2%82%AC/100%25/%",
                                  "%2525252525252525%",
                                  "eyJhbGciOiJub25lIiwiYSI6MX0",
                                  "eyJhbGciOiJub25lIiwiYSI6MX0.",
                                  "eyJhbGciOiJub25lIiwiYSI6MX0. x",
                                  "%73%70%5",
                                  "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)",
                                  "",
                                  "%",
                                  "/pay/by/yj",
                                  "sp_",
                                  "sp_AbCdEfGhIjKl_...",
                                  "eyJhbGci..."}) {
    CHECK(shown(text) == text);
    std::string room;
    const std::string_view given = text::without_secrets(text, room);
    CHECK(given == text);
    CHECK(given.data() == text.data());  // no copy
    CHECK(room.capacity() == std::string().capacity());
  }
}

TEST_CASE("what is cut is masked before, and all that is cut off is told") {
  CHECK(text::printable(open_part + secret + " and more", 24) == open_part + "... and …");
  for (size_t most = 0; most < 80; ++most) {
    for (const std::string& text :
         {"0123456789" + open_part + secret, "0123456789" + header + "." + payload}) {
      const std::string cut = text::printable(text, most);
      CHECK(cut.find("Qq") == std::string::npos);
      CHECK(cut.find("eyJz") == std::string::npos);
      CHECK(cut.ends_with("…") == (most < shown(text).size()));
    }
  }
}
