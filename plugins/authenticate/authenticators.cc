// The kinds of authenticators there are, and those of the config by name.
#include <fmt/format.h>

#include "gateway/base/text.h"
#include "plugins/authenticate/authenticator.h"

namespace sallyport {
namespace {

const AuthenticatorKind* kind_called(std::string_view type) {
  for (const AuthenticatorKind* kind : {&api_key_kind(), &jwt_kind()}) {
    if (kind->type == type) return kind;
  }
  return nullptr;
}

std::shared_ptr<Authenticator> make(const config::AuthenticatorBlock& block, Setup& setup) {
  config::Reader reader(*block.block, setup.problems, block.path, setup.directory);
  if (const AuthenticatorKind* kind = kind_called(block.type)) {
    auto made = kind->make(reader, setup);
    return reader.whole() ? std::move(made) : nullptr;
  }
  if (!reader.has_text("type")) {  // told when it was read
    reader.refuse();
    return nullptr;
  }
  const auto near = text::nearest(block.type, {"api_key", "jwt"});
  reader.error_at(
      "type", fmt::format("there is no type \"{}\"; there are api_key and jwt{}", text::printable(block.type),
                          near ? fmt::format("; did you mean \"{}\"?", *near) : ""));
  return nullptr;
}

}  // namespace

// The first of a config to ask begins anew.
std::shared_ptr<InForce> InForce::of(Setup& setup) {
  return setup.snapshot.get<InForce>("authenticate.in_force", [&] {
    auto all = setup.worker.get<InForce>("authenticate.in_force", [] { return std::make_shared<InForce>(); });
    all->by_name_.clear();
    ++all->config_;
    return all;
  });
}

std::shared_ptr<Authenticator> InForce::called(const std::string& name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second.lock();
}

std::shared_ptr<Authenticator> find_authenticator(const std::string& name, Setup& setup) {
  return setup.snapshot.get<Authenticator>("authenticator." + name, [&] {
    auto made = make(*setup.model.authenticator(name), setup);
    InForce::of(setup)->by_name_[name] = made;
    return made;
  });
}

void prepare_authenticators(Setup& setup) {
  for (const auto& [name, block] : setup.model.authenticators) {
    const auto one = block.block == nullptr ? nullptr : find_authenticator(name, setup);
    if (one != nullptr) setup.header_guard()->add_credential(one->header());
  }
}

config::Node describe_authenticator(config::Reader& reader) {
  const config::Node* type = reader.node().find("type");
  const AuthenticatorKind* kind = type == nullptr ? nullptr : kind_called(type->text);
  return kind == nullptr ? reader.node() : kind->describe(reader);
}

}  // namespace sallyport
