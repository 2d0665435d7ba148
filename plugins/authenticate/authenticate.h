// authenticate: who calls.
//
//   authenticate: { any_of: [partner-keys, corp-idp] }   the first for which the request carries credentials
//                                                        decides
//   authenticate: { all_of: [corp-idp, partner-keys] }   all must be satisfied; the first says who calls
//   authenticate: public                                 nobody is asked
#pragma once

#include "gateway/core/plugin.h"

namespace sallyport {

const PluginType& authenticate_plugin();

}  // namespace sallyport
