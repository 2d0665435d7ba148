#include "plugins/validate/validate.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "gateway/base/text.h"
#include "gateway/config/yaml.h"
#include "gateway/core/setup.h"
#include "gateway/http/media_type.h"
#include "gateway/http/uri.h"
#include "plugins/body.h"
#include "plugins/validate/parameter_checks.h"
#include "plugins/validate/parameters.h"
#include "plugins/validate/schema.h"

namespace sallyport {
namespace {

struct BodyRule {
  std::string content_type = "application/json";
  config::Raw schema;  // a file's name, or the schema itself
  Bytes max{1 << 20};  // content is read whole before it is checked
  uint32_t max_depth = 64;

  template <class IO>
  void fields(IO& io) {
    io.field("content_type", content_type);
    io.required("schema", schema);
    io.field("max", max);
    io.field("max_depth", max_depth);
  }
  void check(config::Reader& reader) const {
    const auto type = http::MediaType::parse(content_type);
    if (!type || !type->parameters().empty())
      reader.error_at("content_type",
                      "content_type must be a media type without parameters: application/json");
    else if (!type->is("application/json") && !text::to_lower(content_type).ends_with("+json"))
      reader.error_at(
          "content_type",
          "content_type: content is read as JSON; name application/json, or a type that ends with +json");
    if (max_depth < 1 || max_depth > 256) reader.error_at("max_depth", "max_depth must be from 1 to 256");
    if (max.count > (256 << 20)) reader.error_at("max", "max can be 256MiB at most");
  }
};

// What becomes of content where no body is described, and of a query where none is.
enum class Undescribed : uint8_t { refuse, allow };
constexpr std::array<std::string_view, 2> enum_names(Undescribed) { return {"refuse", "allow"}; }

using Parameters = std::vector<std::pair<std::string, config::Raw>>;

struct ValidateOptions {
  config::Mode mode = config::Mode::enforce;
  Undescribed undescribed = Undescribed::refuse;
  std::optional<BodyRule> body;
  std::optional<Parameters> query;
  std::optional<Parameters> path;
  std::optional<Parameters> headers;

  template <class IO>
  void fields(IO& io) {
    io.field("mode", mode);
    io.field("undescribed", undescribed);
    io.field("body", body);
    io.field("query", query);
    io.field("path", path);
    io.field("headers", headers);
  }
};

struct Rules {
  bool takes_undescribed = false;
  std::shared_ptr<const Schema> body;  // null: none is described
  BodyRule body_rule;
  ParameterRules parameters;
};

// JSON is UTF-8, and nothing else has a meaning there (RFC 8259 sections 8.1 and 11): a backend that obeyed
// another charset would read what was not checked.
bool is_utf8_or_silent(const http::MediaType& type) noexcept {
  return std::ranges::all_of(type.parameters(), [](const auto& p) { return p.is("charset", "utf-8"); });
}

// No coding but `identity`, in any of its fields.
bool is_plain(const http::Headers& headers) noexcept {
  return std::ranges::all_of(headers, [](const http::Header& h) {
    if (h.id != http::HeaderId::content_encoding) return true;
    for (Slice rest = h.value; !rest.empty();) {
      const size_t comma = std::min(rest.find(','), rest.size());
      const Slice coding = text::trim(rest.substr(0, comma));
      if (!coding.empty() && !text::iequals(coding, "identity")) return false;
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
    return true;
  });
}

class Validate final : public Policy {
 public:
  Validate(Setup& setup, config::Mode mode, Rules rules, std::shared_ptr<Workspace> workspace)
      : Policy(setup, "validate", mode),
        enforces_(mode == config::Mode::enforce),
        rules_(std::move(rules)),
        workspace_(std::move(workspace)) {}

  Task<Decision> decide(Exchange& x) override {
    Decision refusal = check_parameters(x);
    const bool described = rules_.body != nullptr;
    if (refusal == nullptr && described) refusal = check_type(x);
    const bool needs_no_look = !described && (rules_.takes_undescribed || x.request.length.is_nothing());
    if (refusal != nullptr || needs_no_look) return Task<Decision>::ready(std::move(refusal));
    Task<Result<Slice>> content = x.read_body(described ? rules_.body_rule.max.count : 0);
    if (content.done()) return Task<Decision>::ready(check_body(x, content.take()));
    return wait_for_body(x, std::move(content));
  }

 private:
  Task<Decision> wait_for_body(Exchange& x, Task<Result<Slice>> pending) {
    Result<Slice> content = co_await pending;
    co_return check_body(x, std::move(content));
  }

  Decision check_type(const Exchange& x) const {
    if (!is_plain(x.request.headers))
      return refuse(Code::unsupported_content_type, "content_encoding",
                    "send the content without a Content-Encoding");
    const std::optional<http::MediaType> type = http::MediaType::of(x.request.headers);
    if (!type || !type->is(rules_.body_rule.content_type))
      return refuse(Code::unsupported_content_type, "content_type",
                    fmt::format("send one Content-Type: {}", rules_.body_rule.content_type));
    if (!is_utf8_or_silent(*type))
      return refuse(Code::unsupported_content_type, "charset",
                    fmt::format("send {} in UTF-8, without parameters but charset=utf-8",
                                rules_.body_rule.content_type));
    return pass();
  }

  // The backend gets the type that was understood, not the bytes that said so, and nothing of a coding.
  Decision passed_content(Exchange& x) const {
    if (!enforces_) return pass();
    x.request.headers.remove(http::HeaderId::content_encoding);
    x.request.headers.map_values([this](const http::Header& h) {
      return h.id == http::HeaderId::content_type ? Slice(rules_.body_rule.content_type) : h.value;
    });
    return pass();
  }

  Decision check_body(Exchange& x, Result<Slice> content) {
    if (rules_.body == nullptr && content) return pass();  // it turned out that there is none
    if (rules_.body == nullptr && content.error().code == Code::body_too_large && !x.content_cut_off())
      return refuse(Code::invalid_body, "undescribed_content", "this route takes no content");
    if (!content) {
      auto refusal = std::make_unique<Refusal>();
      refusal->error = std::move(content.error());
      return refusal;
    }
    const size_t needed = json::Parser::memory_for(content->size());
    if (!x.loop.blocks().can_hold(needed))  // nor the next time
      return refuse(Code::body_too_large, "document_too_large",
                    "to read so much JSON takes more memory than this gateway has (http.memory)");
    if (!x.loop.blocks().has_room(needed)) {
      const Error full = memory_full().error();
      return refuse(full.code, full.reason, full.detail);
    }
    Decision decision = check_document(x, *content);
    workspace_->parser.shrink();
    return decision;
  }

  // What is known of where it is wrong; never what stands there.
  Decision no_document(Slice text, const Error& error) const {
    Decision refusal = refuse(Code::invalid_body, error.reason, error.detail);
    const bool twice = error.reason == "duplicate_member";
    const auto at = twice ? std::nullopt : json::malformed_at(text);
    refusal->violations.push_back({twice ? workspace_->parser.duplicate() : "", std::string(error.reason),
                                   twice ? "this member is there twice"
                                   : at  ? fmt::format("byte {} cannot stand there, counted from 0", *at)
                                         : error.detail});
    if (at && *at == text.size())
      refusal->violations.back().detail = fmt::format("the document breaks off behind {} bytes", *at);
    return refusal;
  }

  Decision check_document(Exchange& x, Slice text) {
    const json::Limits limits{rules_.body_rule.max.count, rules_.body_rule.max_depth};
    Result<json::Value> value = workspace_->parser.parse(text, limits);
    if (!value) return no_document(text, value.error());
    Meter meter = Meter::of_bytes(text.size());
    if (rules_.body->check(*value, meter, nullptr)) return passed_content(x);
    if (meter.exhausted())
      return refuse(
          Code::invalid_body, "schema_work",
          "to compare the content with the schema of this route takes more work than its size allows");
    Decision refusal =
        refuse(Code::invalid_body, "schema", "the content does not match the schema of this route");
    meter = Meter::of_bytes(text.size());
    rules_.body->check(*value, meter, &refusal->violations);
    return refusal;
  }

  Decision check_parameters(Exchange& x) const {
    std::vector<Violation> wrong = rules_.parameters.check(x, *workspace_);
    if (wrong.empty()) {
      // What was checked is what the backend reads.
      if (enforces_ && rules_.parameters.query) x.request.query = http::plain_query(x.request.query, x.arena);
      return pass();
    }
    Decision refusal =
        refuse(Code::invalid_parameter, "parameter", "a parameter does not match what this route takes");
    refusal->violations = std::move(wrong);
    return refusal;
  }

  bool enforces_;
  Rules rules_;
  std::shared_ptr<Workspace> workspace_;
};

struct SharedSchema {
  std::shared_ptr<const Schema> schema;
};

// A schema is compiled once a generation, whatever the number of routes and workers: patterns take their
// time, and a worker has none while it takes a config. what: what stands at that place of the config, as an
// alias may bring it there as something else, too.
std::shared_ptr<const Schema> compiled(std::string_view what, const config::Node& schema, Setup& setup) {
  const auto kept = setup.generation.get<SharedSchema>(
      fmt::format("validate.{}:{}:{}", what, schema.mark.line, schema.mark.column),
      [&]() -> std::shared_ptr<SharedSchema> {
        auto made = Schema::compile(schema, setup.problems);
        return made == nullptr ? nullptr : std::make_shared<SharedSchema>(SharedSchema{std::move(made)});
      });
  return kept == nullptr ? nullptr : kept->schema;
}

std::shared_ptr<const Schema> schema_of(const config::Node& node, config::Reader& reader, Setup& setup) {
  if (!node.is_scalar() || node.kind == config::Node::Kind::boolean) return compiled("body", node, setup);
  if (node.text.empty()) {
    reader.error_at("schema", "schema: expected the name of a file, or a schema");
    return nullptr;
  }
  const std::string path = node.text.starts_with('/') ? node.text : setup.directory + "/" + node.text;
  const auto kept =
      setup.generation.get<SharedSchema>("validate.schema " + path, [&]() -> std::shared_ptr<SharedSchema> {
        config::Problems found;
        const auto document = config::read_document(path, node.text, found);
        auto schema = document == nullptr ? nullptr : Schema::compile(*document, found);
        for (const config::Problem& p : found.all()) {
          if (p.mark.line > 0)
            setup.problems.add(p.mark, p.message);
          else
            reader.error_at("schema", fmt::format("{}: {}", text::printable(node.text), p.message));
        }
        return schema == nullptr ? nullptr : std::make_shared<SharedSchema>(SharedSchema{std::move(schema)});
      });
  return kept == nullptr ? nullptr : kept->schema;
}

std::vector<Parameter> parameters_of(const Parameters& from, config::Reader& reader, Setup& setup) {
  std::vector<Parameter> out;
  for (const auto& [name, raw] : from) {
    config::Node schema = *raw;
    Parameter p;
    p.name = name;
    const config::Node* required = schema.find("required");
    if (required != nullptr && required->kind == config::Node::Kind::boolean) {
      p.required = text::lower(required->text.front()) == 't';
      std::erase_if(schema.members, [](const config::Node::Member& m) { return m.name == "required"; });
    }
    p.schema = compiled("parameter", schema, setup);
    if (p.schema == nullptr)
      reader.refuse();
    else
      out.push_back(std::move(p));
  }
  return out;
}

// What no request could have, or no value could match, is said at load.
void check_parameters_of(config::Reader& reader, const Setup& setup) {
  const auto route = std::ranges::find(setup.model.routes, setup.route, &config::Route::name);
  for (const std::string_view key : {"query", "path", "headers"}) {
    if (!reader.node().is_map() || !reader.has(key)) continue;
    config::Reader block = reader.at(key);
    const bool has_path = route != setup.model.routes.end() && !route->match.path.text.empty();
    if (key == "path" && has_path) check_path_parameters(block, route->match.path);
    if (key == "headers") check_header_parameters(block);
    check_parameter_schemas(block);
  }
}

// What the route's own limit of content never lets come so far. Warned of only where it is written.
void check_reach_of_max(const BodyRule& rule, const config::Node& block, Setup& setup) {
  const auto route = std::ranges::find(setup.model.routes, setup.route, &config::Route::name);
  const config::Node* written = block.is_map() ? block.find("max") : nullptr;
  const config::PluginBlock* body = route == setup.model.routes.end() ? nullptr : route->plugin("body");
  if (written == nullptr || body == nullptr) return;
  const std::optional<Bytes> most = body_limit(*body->block);
  if (!most || rule.max.count <= most->count) return;
  setup.problems.warn(written->mark,
                      fmt::format("validate.body.max {} is never reached: body.max of route {} lets {} "
                                  "through; raise that one, or leave this one away",
                                  to_string(rule.max), text::printable(route->name), to_string(*most)));
}

// Where http.memory is said, and is less than one document may take, no such document is ever read.
void check_memory(const BodyRule& rule, const config::Node& block, Setup& setup) {
  const uint64_t memory = setup.model.http.memory.count / std::max<uint64_t>(setup.model.workers.count, 1);
  const config::Node* written = block.is_map() ? block.find("max") : nullptr;
  const uint64_t needed = json::Parser::memory_for(rule.max.count);
  if (setup.model.http.memory.count == 0 || needed <= memory) return;
  setup.problems.warn(
      written == nullptr ? block.mark : written->mark,
      fmt::format("validate.body.max {}: to read so much JSON takes up to {} at a time, and of "
                  "http.memory a worker has {}: what is larger than that lets through is 413; raise "
                  "http.memory, or lower this",
                  to_string(rule.max), to_string(Bytes{needed}), to_string(Bytes{memory})));
}

std::unique_ptr<Plugin> make(config::Reader& reader, Setup& setup) {
  ValidateOptions options;
  reader.value(options);
  check_parameters_of(reader, setup);
  if (options.mode == config::Mode::off) return nullptr;
  Rules rules;
  if (options.body && options.body->schema != nullptr) {
    config::Reader body = reader.at("body");
    rules.body_rule = *options.body;
    if (body.whole()) {
      check_reach_of_max(*options.body, body.node(), setup);
      check_memory(*options.body, body.node(), setup);
    }
    rules.body = schema_of(*options.body->schema, body, setup);
    if (rules.body == nullptr) body.refuse();
  }
  rules.takes_undescribed = options.undescribed == Undescribed::allow;
  ParameterRules& parameters = rules.parameters;
  if (options.query) parameters.query = parameters_of(*options.query, reader, setup);
  if (!parameters.query && !rules.takes_undescribed) parameters.query.emplace();  // none
  if (parameters.query) std::ranges::sort(*parameters.query, {}, &Parameter::name);
  if (options.path) parameters.path = parameters_of(*options.path, reader, setup);
  if (options.headers) parameters.headers = parameters_of(*options.headers, reader, setup);
  if (setup.checking() && options.mode == config::Mode::enforce)
    for (const Parameter& p : parameters.headers) setup.header_guard()->add_read(p.name);
  if (!reader.whole()) return nullptr;
  auto workspace =
      setup.worker.get<Workspace>("validate.workspace", [] { return std::make_shared<Workspace>(); });
  return std::make_unique<Validate>(setup, options.mode, std::move(rules), std::move(workspace));
}

}  // namespace

const PluginType& validate_plugin() {
  static constexpr PluginType type = {"validate", Band::validate, &make, nullptr,
                                      &describe_as<ValidateOptions>};
  return type;
}

}  // namespace sallyport
