// What can be wrong with a route's parameters before any request comes: names that no request has, and
// schemas that no value matches.
//
// Pure; what is wrong is told to the reader.
#pragma once

#include "gateway/config/reader.h"
#include "gateway/config/route_pattern.h"

namespace sallyport {

// reader: of the block `validate.path`, a map. Its names are those of the route's own path.
void check_path_parameters(config::Reader& reader, const config::PathPattern& path);
// Of the block `validate.headers`: names that a header can have, each once (they ignore case: RFC 9110
// section 5.1).
void check_header_parameters(config::Reader& reader);
// Of the block `validate.query`, and of both others: schemas of single values, which are text unless their
// type says otherwise.
void check_parameter_schemas(config::Reader& reader);

}  // namespace sallyport
