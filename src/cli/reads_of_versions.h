// Queries of dashboards, endpoints and alerts that see every version of a mirrored row. bronze.<table> keeps
// the old versions of a row, and deleted rows, until it is merged: a query over it counts them, now and then.
// bronze.<table>__current has the rows that there are. Models, audits and segments are not meant: there
// bronze.<table> is read as that.
//
// `tidemark check` warns of them. Not of tables that the project declares as logs (events, append_only), and
// not of queries that look after versions themselves (FINAL, _version, _deleted).
//
// Pure but for the files, whose lines are looked up.
#pragma once

#include "config/diagnostic.h"
#include "config/project.h"

#include <vector>

namespace tidemark::cli {

// Precondition: the project was loaded without errors. By file, then line.
std::vector<config::Diagnostic> reads_of_versions(const config::Project& project);

}  // namespace tidemark::cli
