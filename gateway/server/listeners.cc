#include "gateway/server/listeners.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <utility>

#include "gateway/base/file.h"
#include "gateway/base/units.h"
#include "gateway/config/address.h"
#include "gateway/net/listener.h"
#include "gateway/observe/log.h"

namespace sallyport::server {
namespace {

constexpr int backlog = 4096;
constexpr size_t pem_max = 1 << 20;

std::unexpected<Error> cannot_bind(const config::Listener& listener, Error error) {
  return fail(
      Code::io, error.reason,
      fmt::format("cannot listen on {} (listener {}): {}", listener.address, listener.name, error.detail));
}

Result<BoundListener> bind_unix_for(const config::Listener& listener, const config::Address& address,
                                    size_t workers) {
  Result<Fd> first = net::bind_unix(address.path, 0660);
  if (!first) return cannot_bind(listener, std::move(first.error()));
  BoundListener bound{ListenerPlan{listener, nullptr}.key(), listener.name, listener.address, 0, {},
                      net::SocketFile(address.path)};
  bound.sockets.push_back(std::move(*first));
  while (bound.sockets.size() < workers)
    bound.sockets.emplace_back(fcntl(bound.sockets.front().get(), F_DUPFD_CLOEXEC, 0));
  return bound;
}

// What the files of one listener are read with, and what is wrong with them.
struct PemFiles {
  const config::Listener& listener;
  config::Problems& problems;
  bool unread = false;  // one could not be read at this moment

  std::optional<std::string> read(const config::FilePath& file, std::string_view what) {
    Result<std::string> pem = read_file(file.resolved, pem_max);
    if (pem) return std::move(*pem);
    if (is_unread(pem.error())) unread = true;
    problems.add(file.mark,
                 fmt::format("listener {}: {} {}: {}", listener.name, what, file.shown, pem.error().detail));
    return std::nullopt;
  }
};

}  // namespace

std::string ListenerPlan::key() const {
  const Result<config::Address> address = config::parse_address(config.address);
  if (!address) return config.address;
  const bool chosen = address->kind == config::Address::Kind::ip && address->port == 0;
  return config::to_string(*address) + (chosen ? " " + config.name : "");
}

Result<BoundListener> bind_listener(const config::Listener& listener, size_t workers, PortSharing sharing) {
  Result<config::Address> address = config::parse_address(listener.address);
  if (!address) return std::unexpected(std::move(address.error()));
  if (address->kind == config::Address::Kind::unix_path) return bind_unix_for(listener, *address, workers);
  BoundListener bound{ListenerPlan{listener, nullptr}.key(), listener.name, {}, address->port, {}, {}};
  if (sharing == PortSharing::ourselves && bound.port != 0) {
    Result<void> free = net::nobody_listens(address->host, bound.port);
    if (!free) return cannot_bind(listener, std::move(free.error()));
  }
  for (size_t i = 0; i < workers; ++i) {
    Result<Fd> socket = net::bind_tcp(address->host, bound.port, true, backlog);
    if (!socket) return cannot_bind(listener, std::move(socket.error()));
    bound.port = net::bound_port(socket->get());  // with port 0: the others take what the first was given
    bound.sockets.push_back(std::move(*socket));
  }
  const bool v6 = address->host.find(':') != std::string::npos;
  bound.shown = v6 ? fmt::format("[{}]:{}", address->host, bound.port)
                   : fmt::format("{}:{}", address->host, bound.port);
  return bound;
}

namespace {

// One that is not valid at this moment may be so soon, or be all there is: it is served, and told.
void tell_if_not_valid(const net::Certificate& certificate, const config::Listener& listener,
                       const config::CertificateFiles& files) {
  const Wall now = wall_now();
  if (now >= certificate.not_before() && now < certificate.not_after()) return;
  const bool early = now < certificate.not_before();
  observe::log(
      observe::Level::warn, early ? "certificate_not_yet_valid" : "certificate_expired",
      {{"listener", listener.name},
       {"cert", files.cert.shown},
       {early ? "from" : "until", date_time_ms(early ? certificate.not_before() : certificate.not_after())}});
}

std::shared_ptr<const net::Certificate> read_certificate(PemFiles& pem,
                                                         const config::CertificateFiles& files) {
  const config::Listener& listener = pem.listener;
  auto chain = pem.read(files.cert, "certificate");
  auto key = pem.read(files.key, "key");
  if (!chain || !key) return nullptr;
  auto certificate = net::Certificate::read(*chain, *key);
  if (!certificate) {
    const bool of_key = certificate.error().reason == net::bad_key;
    pem.problems.add(of_key ? files.key.mark : files.cert.mark,
                     fmt::format("listener {}: {} with {}: {}", listener.name, files.cert.shown,
                                 files.key.shown, certificate.error().detail));
    return nullptr;
  }
  tell_if_not_valid(**certificate, listener, files);
  return std::move(*certificate);
}

std::shared_ptr<const net::Authorities> read_authorities(PemFiles& pem) {
  const config::FilePath& ca = pem.listener.tls->client_certificates.ca;
  const auto text = pem.read(ca, "client_certificates.ca");
  if (!text) return nullptr;
  auto authorities = net::Authorities::read(*text);
  if (authorities == nullptr) {
    pem.problems.add(
        ca.mark, fmt::format("listener {}: client_certificates.ca holds no PEM certificate, or a broken one",
                             pem.listener.name));
  }
  return authorities;
}

bool can_serve(const TlsMaterial& material, const config::Listener& listener, config::Problems& problems) {
  const auto context = net::TlsServerContext::make(material);
  if (!context) {
    problems.add(listener.mark, fmt::format("listener {}: {}", listener.name, context.error().detail));
  }
  return context.has_value();
}

// The pairs are numbered as in the config; the authorities of clients come behind them.
const config::FilePath& file_of(const config::ListenerTls& tls, size_t part) {
  return part < tls.certificates.size() ? tls.certificates[part].cert : tls.client_certificates.ca;
}

// Into the copy of what is served; false, with problems, if it is no good. A certificate is tried by itself:
// with all that has not changed each of them would cost as much as the whole.
bool read_part(size_t part, TlsMaterial& next, PemFiles& pem) {
  const config::ListenerTls& tls = *pem.listener.tls;
  if (part == tls.certificates.size()) {
    auto authorities = read_authorities(pem);
    if (authorities == nullptr) return false;
    next.client_authorities = std::move(authorities);
    return true;
  }
  TlsMaterial alone;
  alone.certificates = {read_certificate(pem, tls.certificates[part])};
  if (alone.certificates[0] == nullptr || !can_serve(alone, pem.listener, pem.problems)) return false;
  next.certificates[part] = std::move(alone.certificates[0]);
  return true;
}

}  // namespace

std::optional<TlsMaterial> read_tls(const config::Listener& listener,
                                    std::shared_ptr<const Live<net::TicketKeys>> tickets,
                                    config::Problems& problems) {
  PemFiles pem{listener, problems};
  TlsMaterial material;
  material.tickets = std::move(tickets);
  material.http2 = listener.tls->http2;
  material.tls13_only = listener.tls->min_version == config::TlsVersion::tls13;
  for (const config::CertificateFiles& files : listener.tls->certificates) {
    material.certificates.push_back(read_certificate(pem, files));
    if (material.certificates.back() == nullptr) return std::nullopt;
  }
  const config::ClientCertificates& clients = listener.tls->client_certificates;
  material.client_certificates = static_cast<net::ClientCertificates>(clients.mode);
  if (clients.mode != config::ClientCertificateMode::off) {
    material.client_authorities = read_authorities(pem);
    if (material.client_authorities == nullptr) return std::nullopt;
  }
  if (!can_serve(material, listener, problems)) return std::nullopt;
  return material;
}

std::vector<std::string> tls_files(const config::Listener& listener) {
  std::vector<std::string> files;
  for (const config::CertificateFiles& pair : listener.tls->certificates) {
    files.push_back(pair.cert.resolved);
    files.push_back(pair.key.resolved);
  }
  const config::ClientCertificates& clients = listener.tls->client_certificates;
  if (clients.mode != config::ClientCertificateMode::off) files.push_back(clients.ca.resolved);
  return files;
}

bool reload_tls(const ListenerPlan& plan, std::span<const Background::ChangedFile> files,
                Background& background) {
  const config::ListenerTls& tls = *plan.config.tls;
  TlsMaterial next = *plan.tls->load();
  std::vector<size_t> taken;
  for (auto file = files.begin(); file != files.end();) {
    const size_t part = file->number / 2;
    config::Problems problems;
    PemFiles pem{plan.config, problems};
    const bool good = read_part(part, next, pem);
    bool news = !pem.unread;
    for (; file != files.end() && file->number / 2 == part; ++file) {
      if (pem.unread && file->unread.is_news(problems.in_one_line())) news = true;
    }
    if (good) taken.push_back(part);
    if (good || !news) continue;
    background.count_reload("certificate", false);
    observe::log(observe::Level::error, "certificate_reload_failed",
                 {{"listener", plan.config.name},
                  {"file", file_of(tls, part).shown},
                  {"detail", problems.in_one_line()}});
  }
  if (taken.empty()) return false;
  plan.tls->publish(std::make_shared<const TlsMaterial>(std::move(next)));
  for (const size_t part : taken) {
    background.count_reload("certificate", true);
    observe::log(observe::Level::info, "certificate_reloaded",
                 {{"listener", plan.config.name}, {"file", file_of(tls, part).shown}});
  }
  return taken.back() == tls.certificates.size();
}

}  // namespace sallyport::server
