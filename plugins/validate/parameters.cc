#include "plugins/validate/parameters.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "gateway/base/text.h"
#include "gateway/http/header_guard.h"
#include "gateway/http/uri.h"
#include "gateway/json/write.h"
#include "plugins/validate/parameter_text.h"

namespace sallyport {
namespace {

constexpr size_t parameter_bytes_max = 16 * 1024;
constexpr json::Limits parameter_limits{parameter_bytes_max * 6 + 2, 4};  // six: each byte as \u00xx

std::string pointer_to(std::string_view where, std::string_view name) {
  std::string pointer = fmt::format("/{}", where);
  json::append_step(pointer, name);
  return pointer;
}

// What is wrong with the parameters of one request.
class Check {
 public:
  Check(Exchange& x, Workspace& workspace) : x_(x), workspace_(workspace) {}

  std::vector<Violation> all(const ParameterRules& rules) {
    check_spellings(rules.headers);
    if (rules.query) check_query(*rules.query);
    for (const Parameter& p : rules.path) {
      for (const PathParams::Param& found : x_.params) {
        if (found.name == p.name) check_path(p, found.value);
      }
    }
    for (const Parameter& p : rules.headers) check_header(p);
    return std::move(wrong_);
  }

 private:
  // What a backend may read as a header that is listed is not checked as that one.
  void check_spellings(const std::vector<Parameter>& headers) {
    for (const Parameter& p : headers) {
      const bool again = std::ranges::any_of(x_.request.headers, [&](const http::Header& h) {
        return h.id == http::HeaderId::other && http::is_spelling_of(h.name, p.name);
      });
      if (again)
        wrong_.push_back({pointer_to("headers", p.name), "maxItems",
                          "this header is there in a second spelling, which many servers take for the same"});
    }
  }

  void check_query(const std::vector<Parameter>& known) {
    auto pairs = http::parse_query(x_.request.query, x_.arena);
    if (!pairs) {
      wrong_.push_back({"/query", "maxProperties", pairs.error().detail});
      return;
    }
    std::vector<char> seen(known.size());
    for (const http::QueryPair& pair : *pairs) {
      const auto at = std::ranges::lower_bound(known, pair.name, {}, &Parameter::name);
      if (at == known.end() || at->name != pair.name) {
        wrong_.push_back(
            {pointer_to("query", pair.name), "additionalProperties", "this parameter is not known here"});
      } else if (std::exchange(seen[static_cast<size_t>(at - known.begin())], 1) != 0) {
        wrong_.push_back({pointer_to("query", at->name), "maxItems", "this parameter is there twice"});
      } else {
        check_value(*at, pair.value, "query");
      }
      if (wrong_.size() >= 10) return;
    }
    for (size_t i = 0; i < known.size(); ++i) {
      if (known[i].required && seen[i] == 0) missing(known[i], "query");
    }
  }

  // A backend that cuts matrix parameters off reads another value than one that does not, and another still
  // if it decodes "%3B" before (core/find_route.cc knows the same readings): all are good, or none is
  // forwarded.
  void check_path(const Parameter& p, Slice value) {
    check_value(p, http::percent_decode(value, x_.arena), "path");
    const Slice plain = http::plain_delimiters(value, x_.arena);
    if (!http::has_parameters(plain)) return;
    const size_t before = wrong_.size();
    check_cut(p, plain);
    if (http::has_parameters(value) && plain.size() != value.size()) check_cut(p, value);
    for (Violation& violation : std::span(wrong_).subspan(before))
      violation.detail += "; it is read without what stands behind its semicolon, too";
  }

  void check_cut(const Parameter& p, Slice value) {
    const Slice cut = http::cut_parameters(x_.arena.concat({"/", value}), x_.arena).substr(1);
    check_value(p, http::percent_decode(cut, x_.arena), "path");
  }

  // Of several fields a backend takes the first, the last or all of them: a listed one is there once.
  // HTTP/2's crumbs of a Cookie are one by now (RFC 9113 section 8.2.3).
  void check_header(const Parameter& p) {
    const http::Header* found = nullptr;
    for (const http::Header& h : x_.request.headers) {
      if (!text::iequals(h.name, p.name)) continue;
      if (found != nullptr) {
        wrong_.push_back({pointer_to("headers", p.name), "maxItems", "this header is there twice"});
        return;
      }
      found = &h;
    }
    if (found != nullptr)
      check_value(p, found->value, "headers");
    else if (p.required)
      missing(p, "headers");
  }

  void missing(const Parameter& p, std::string_view where) {
    wrong_.push_back(
        {fmt::format("/{}", where), "required", fmt::format("the parameter \"{}\" is missing", p.name)});
  }

  // A number or a boolean is one by JSON's grammar, from its first byte to its last, and in the one spelling
  // that all backends read alike; anything else is text.
  void check_value(const Parameter& p, Slice value, std::string_view where) {
    const std::string pointer = pointer_to(where, p.name);
    if (value.size() > parameter_bytes_max || !text::is_utf8(value)) {
      wrong_.push_back({pointer, "maxLength", "the value is too long, or is not UTF-8"});
      return;
    }
    std::string& json = workspace_.text;
    json = p.schema->takes_text() ? Slice{} : value;
    if (p.schema->takes_text()) json::append_string(json, value);
    const Result<json::Value> parsed = workspace_.parser.parse(json, parameter_limits);
    Meter meter = Meter::of_bytes(json.size());
    const bool is_nothing =
        parsed && parsed->is(json::Kind::null);  // which no value is: it would be left out
    if (!parsed || is_nothing || !is_read_alike(*p.schema, value)) {
      wrong_.push_back({pointer, "type", "the value is of another type, or a number not in plain digits"});
    } else if (!p.schema->check(*parsed, meter, nullptr)) {
      const size_t before = wrong_.size();
      meter = Meter::of_bytes(json.size());
      p.schema->check(*parsed, meter, &wrong_, pointer);
      if (wrong_.size() == before)
        wrong_.push_back({pointer, "$ref", "to check the value takes too much work"});
    }
  }

  Exchange& x_;
  Workspace& workspace_;
  std::vector<Violation> wrong_;
};

}  // namespace

std::vector<Violation> ParameterRules::check(Exchange& x, Workspace& workspace) const {
  return Check(x, workspace).all(*this);
}

}  // namespace sallyport
