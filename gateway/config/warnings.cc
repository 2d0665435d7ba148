#include "gateway/config/warnings.h"

#include <fmt/format.h>

#include <algorithm>

#include "gateway/base/cidr.h"
#include "gateway/base/text.h"

namespace sallyport::config {
namespace {

// Of a range that holds all addresses of a kind.
bool is_everybody(const std::string& range) {
  const auto cidr = Cidr::parse(range);
  const auto has = [&](std::string_view ip) { return cidr && cidr->contains(*parse_ip(ip)); };
  return (has("0.0.0.1") && has("255.255.255.254")) || (has("1::") && has("ffff::"));
}

void warn_of_everybody(const Node* list, const std::vector<std::string>& ranges, std::string_view what,
                       Problems& problems) {
  for (size_t i = 0; i < ranges.size(); ++i) {
    if (!is_everybody(ranges[i])) continue;
    problems.warn(
        list->items[i].mark,
        fmt::format("{} is everybody: whoever connects may say {}, and so be any client to limits, logs "
                    "and backends; name the addresses of the proxies",
                    text::printable(ranges[i]), what));
  }
}

void warn_of_proxies(const Node& document, const Model& model, Problems& problems) {
  const Node* http = document.find("http");
  if (http != nullptr)
    warn_of_everybody(http->find("trusted_proxies"), model.http.trusted_proxies, "X-Forwarded-For", problems);
  for (size_t i = 0; i < model.listeners.size(); ++i) {
    const auto& header = model.listeners[i].proxy_protocol;
    if (header)
      warn_of_everybody(document.find("listeners")->items[i].find("proxy_protocol")->find("from"),
                        header->from, "in a PROXY header whose connection it is", problems);
  }
}

// One that was to be added takes the place of all others.
void warn_of_untrusted(const Node& document, const Model& model, Problems& problems) {
  const Node* http = document.find("http");
  const Node* written = http == nullptr ? nullptr : http->find("untrusted_headers");
  if (written == nullptr) return;
  const std::vector<std::string> usual = untrusted_headers_by_default();
  const auto is_in = [](const std::vector<std::string>& list) {
    return [&list](const std::string& name) {
      return std::ranges::any_of(list, [&](const std::string& one) { return text::iequals(one, name); });
    };
  };
  const std::vector<std::string>& listed = model.http.untrusted_headers;
  const auto missing = std::ranges::find_if_not(usual, is_in(listed));
  if (missing == usual.end() || std::ranges::all_of(listed, is_in(usual))) return;
  problems.warn(written->mark,
                fmt::format("http.untrusted_headers takes the place of the default list, and backends get "
                            "{} and others as clients send them; `sallyport show` prints the list of a "
                            "config without this key: name them as well",
                            *missing));
}

// Of an upstream or a store, whose entry of the document that is.
void warn_of_trust(const Node* block, std::string_view group, std::string_view name, const ClientTls& tls,
                   Problems& problems) {
  const Node* written = block == nullptr ? nullptr : block->find("tls");
  const Node* verify = written == nullptr ? nullptr : written->find("verify");
  if (verify == nullptr || tls.verify) return;
  problems.warn(verify->mark,
                fmt::format("{}.{}.tls.verify false takes any certificate: whoever is in between can read "
                            "along and answer instead; name the authority that signed it (tls.ca)",
                            group, text::printable(name)));
}

// Beyond what holds without it, and `show` prints.
bool says_something(const ClientTls& tls) {
  return !tls.ca.empty() || !tls.server_name.empty() || !tls.verify;
}

void warn_of_backends(const Node& document, const Model& model, Problems& problems) {
  const Node* stores = document.find("stores");
  for (const auto& [name, store] : model.stores.redis)
    warn_of_trust(stores->find(name), "stores", name, store.tls, problems);
  const Node* upstreams = document.find("upstreams");
  for (const auto& [name, upstream] : model.upstreams) {
    const Node* block = upstreams->find(name);
    const auto has_tls = [](const std::string& url) {
      return url.starts_with("https://") || url.starts_with("h2://");
    };
    if (std::ranges::any_of(upstream.targets, has_tls)) {
      warn_of_trust(block, "upstreams", name, upstream.tls, problems);
    } else if (says_something(upstream.tls)) {
      problems.warn(block->find("tls")->mark,
                    fmt::format("upstreams.{}.tls has no effect: none of its targets is https:// or h2://",
                                text::printable(name)));
    }
  }
}

void warn_of_redirects(const Model& model, Problems& problems) {
  if (std::ranges::any_of(model.listeners, [](const Listener& l) { return l.tls.has_value(); })) return;
  for (const Listener& listener : model.listeners) {
    if (listener.redirect && !listener.plaintext)
      problems.warn(listener.mark,
                    fmt::format("listener \"{}\" sends clients to TLS, and no listener has any (tls: ...)",
                                text::printable(listener.name)));
  }
}

// A certificate of the client is asked for by a listener, and a route is served by all of them.
void warn_of_certificates(const Model& model, Problems& problems) {
  const auto asks = [](const Listener& l) {
    return l.tls && l.tls->client_certificates.mode == ClientCertificateMode::required;
  };
  const auto strict = std::ranges::find_if(model.listeners, asks);
  if (strict == model.listeners.end()) return;
  for (const Listener& listener : model.listeners) {
    if (listener.redirect || asks(listener)) continue;
    problems.warn(
        listener.mark,
        fmt::format("listener \"{}\" asks for no client certificate, and listener \"{}\" does: every "
                    "route is served on both, so that the certificate protects none; ask for it here, "
                    "too, or serve what needs none by another process",
                    text::printable(listener.name), text::printable(strict->name)));
  }
}

}  // namespace

void warn_of_model(const Node& document, const Model& model, Problems& problems) {
  warn_of_proxies(document, model, problems);
  warn_of_untrusted(document, model, problems);
  warn_of_backends(document, model, problems);
  warn_of_redirects(model, problems);
  warn_of_certificates(model, problems);
}

}  // namespace sallyport::config
