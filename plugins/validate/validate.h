// validate: what a request may carry; an allowlist.
//
//   validate:
//     body: { content_type: application/json, schema: schemas/order.json }
//     query: { page: { type: integer, minimum: 1 } }
//     path: { id: { type: string, pattern: "^[0-9]{1,12}$" } }
//     headers: { X-Tenant: { type: string, required: true } }
//
// Each parameter has a JSON Schema, and is there once at most. A query parameter that is not listed is
// refused. Content without `body`, and a query without `query`, are refused, too; undescribed: allow lets
// them pass. `required: true` beside a parameter's schema says that it must be there. A parameter of type
// integer, number or boolean is read as such. A path parameter with a ";" in it must be good with and without
// what stands behind it, as backends read both. What a check costs is bounded by the size of what is checked:
// more is a refusal (schema_work).
#pragma once

#include "gateway/core/plugin.h"

namespace sallyport {

const PluginType& validate_plugin();

}  // namespace sallyport
