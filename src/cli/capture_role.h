// `up --role capture`: every Postgres source of the project goes to Kafka; no warehouse, no models, no page.
// Sinks (kafka sources of other projects, in a group of their own) take it from there. docs/KAFKA_OUT.md
// tells the rest.
#pragma once

#include "base/error.h"
#include "config/project.h"

namespace tidemark::cli {

// Until a signal ends it. Errors: config when the project has no `kafka` output or no sources; those of a
// source that can never run.
Status run_capture(const config::Project& project, bool recopy);

}  // namespace tidemark::cli
