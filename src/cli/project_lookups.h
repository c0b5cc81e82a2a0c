// Dictionaries and live tables of a project, made when it starts; what is live is told in the log.
#pragma once

#include "clickhouse/client.h"
#include "config/project.h"

namespace tidemark::cli {

// Before models are compiled over them. Errors: config, with every mistake.
Status make_lookups(clickhouse::Client& client, const config::Project& project);

}  // namespace tidemark::cli
