// The history of a mirrored table (`history: true`): every change row there ever was, kept beside the table.
//
//   bronze.<name>__changes  ──materialized view──▶  bronze.<name>__history   ordered by key and _version
//
// It is fed as the stores of models are: an insert into __changes counts once in everything that hangs on it.
// What was there before the first change is a row with _op `copy` and the commit time of the copy: from then
// on it is known to be so. A copy made anew adds such rows again; they say nothing new.
#pragma once

#include "clickhouse/client_pool.h"
#include "ingest/captured_table.h"

#include <string>
#include <vector>

namespace tidemark::ingest {

// CREATE statements, each IF NOT EXISTS, behind those of the table.
std::vector<std::string> history_statements(const CapturedTable& table);

// The present rows as the beginning of the history. `when_empty`: only of a history without rows.
Status begin_history(clickhouse::ClientPool& pool, const CapturedTable& table, bool when_empty);

}  // namespace tidemark::ingest
