// The part of load.h that is about routes: reading them with the plugins' blocks, and what can be wrong
// between them.
//
// For load.cc only. Main thread.
#pragma once

#include <span>
#include <string_view>

#include "gateway/config/model.h"
#include "gateway/config/problems.h"
#include "gateway/config/reader.h"

namespace sallyport::config {

// root: a reader of the whole document, which is a map. An unknown key is a problem, with a "did you mean"
// over plugin_keys. An empty block stands in for those of `everywhere` that are not there.
void read_defaults(Reader& root, std::span<const std::string_view> plugin_keys,
                   std::span<const std::string_view> everywhere, Model& model);

// Reads all routes. A route's plugin blocks are its own and then those of model.defaults that it did not
// replace: a key of the route replaces the default of that key whole, and forward and respond replace each
// other.
void read_routes(Reader& root, std::span<const std::string_view> plugin_keys, Model& model);

// Names are unique, no two routes match the same requests, each says who may call it and what answers.
void check_routes(const Model& model, Problems& problems);

// Warns of what is valid and dangerous: a route that lets everybody past, by a mode or beside a protected one
// of the same upstream.
void warn_of_routes(const Model& model, Problems& problems);

// `authenticate: public`.
bool is_public(const Route& route);
// The mode of a policy that the route has, enforce where none is written; "": it has no such policy.
std::string_view mode_of(const Route& route, std::string_view key);
// It is public, or only watches who calls, or does not even that.
bool lets_everybody_past(const Route& route);
// It names authenticators, and only who they know gets past.
bool asks_who_calls(const Route& route);

}  // namespace sallyport::config
