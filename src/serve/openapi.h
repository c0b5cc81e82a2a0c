// /openapi.json: what the API is, for machines. Written from the project, so its endpoints are in it.
#pragma once

#include "config/dashboard.h"

#include <string>

namespace tidemark::serve {
std::string openapi_document(const std::string& project, const std::vector<config::EndpointFile>& endpoints);
}
