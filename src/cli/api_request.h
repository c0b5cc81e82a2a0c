// Asks the process that runs the project, as verbs about destinations do: JSON in the answer, or the error it
// gave.
#pragma once

#include "base/error.h"
#include "http/url.h"

#include <boost/json/object.hpp>
#include <filesystem>
#include <string>

namespace tidemark::cli {

// `path`: "/api/destinations". Errors: dependency_down when nothing runs; else what the answer says.
Result<boost::json::object> ask_api(const std::filesystem::path& project_directory, const std::string& path);
// Requests that change something; the project's token goes along.
Result<boost::json::object> tell_api(const std::filesystem::path& project_directory, const std::string& path,
                                     const std::string& body = {});

// For a path or a query: %20 for what could be misread.
using http::percent_encode;

}  // namespace tidemark::cli
