// What a token with fixed parameters may ask (`fixed` of `tokens` in tidemark.yaml): endpoints that take all
// of them, and tiles and live results of dashboards of which every tile names them as filters, always with
// these values. Nothing else that is read, so that what cannot be narrowed is not seen; a request that names
// one of them is refused, not corrected.
//
// Pure.
#pragma once

#include "config/dashboard.h"
#include "config/token_limits.h"
#include "http/server.h"

#include <optional>
#include <string>
#include <vector>

namespace tidemark::serve {

// Puts the values into the request; or what to answer instead. `pattern`: of its route.
std::optional<http::Response> narrow(http::Request& request, const std::string& pattern,
                                     const config::FixedParameters& fixed,
                                     const std::vector<config::EndpointFile>& endpoints,
                                     const std::vector<config::Dashboard>& dashboards);

}  // namespace tidemark::serve
