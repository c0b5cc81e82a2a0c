// Tables that were dropped at the source. What the warehouse has of them stays as it was; they are neither
// followed nor verified, and the status says so. One that `tables` names is
// no reason not to start: a project must come up again after somebody else's migration. Made again under its
// name, it is another table, which the next start copies.
#pragma once

#include "config/postgres_source.h"
#include "ingest/table_records.h"
#include "postgres/connection.h"

namespace tidemark::ingest {

// The tables of `source`; without those it names that are gone and were captured before. Errors: those of
// postgres::read_tables, also when nothing would be left.
Result<std::vector<postgres::SourceTable>> read_tables_left(postgres::Connection& connection,
                                                            const config::PostgresSource& source,
                                                            clickhouse::ClientPool& pool,
                                                            const std::atomic<bool>& stop);

// Whether the table that is called `name` in bronze may be one of these, by its name or a pattern.
bool names_table(const std::vector<std::string>& patterns, const std::string& name);

// What its status says.
constexpr const char* dropped_note = "dropped at the source; its rows stay as they were";

}  // namespace tidemark::ingest
