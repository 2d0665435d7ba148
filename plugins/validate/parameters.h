// Parameters: what a route's query, path and headers may say, each by a JSON Schema.
//
// Immutable once made; the Workspace is one worker's.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/core/plugin.h"
#include "gateway/json/json.h"
#include "plugins/validate/schema.h"

namespace sallyport {

// What all validators of a worker share, so that what one large document took is not kept by each of them.
struct Workspace {
  json::Parser parser;
  std::string text;
};

struct Parameter {
  std::string name;
  std::shared_ptr<const Schema> schema;
  bool required = false;
};

struct ParameterRules {
  std::optional<std::vector<Parameter>> query;  // in the order of names; nothing: any query passes
  std::vector<Parameter> path;
  std::vector<Parameter> headers;

  // What is wrong with those of a request, about the first ten; empty: nothing.
  std::vector<Violation> check(Exchange& x, Workspace& workspace) const;
};

}  // namespace sallyport
