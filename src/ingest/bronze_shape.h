// Brings the tables of the warehouse to the shape a table of the source has now, between two cuts of the
// source.
//
// In place, where the rows stay exact: added columns read in old rows what the source's rows read (a DEFAULT
// of the column), renamed ones are renamed, dropped ones stay with their values and are hidden
// (bronze.<name>__current has only what the source has), types become wider. Columns that became NOT NULL
// stay Nullable here. bronze.<name>__changes is only ever altered: models hang on it. A column they know
// under an old name is kept there, as a default that follows the new one; so what they have stays right until
// they are changed.
#pragma once

#include "clickhouse/client_pool.h"
#include "ingest/table_shape.h"

namespace tidemark::ingest {

// Types that are wider in the warehouse than the source asks for are kept: the table's targets become them.
Status keep_wider_types(clickhouse::ClientPool& pool, CapturedTable& table);
// The same of many tables: what types all columns of bronze have is asked once.
using BronzeTypes = std::map<std::string, std::map<std::string, std::string>>;
Result<BronzeTypes> bronze_types(clickhouse::ClientPool& pool);
void keep_wider_types(const BronzeTypes& types, CapturedTable& table);

// `shape`: the one after the change. True: done. False with `copy_because` set: only a copy is exact, and
// nothing was altered. Repeatable: a kill in between is mended by doing it again.
Result<bool> follow_in_place(clickhouse::ClientPool& pool, CapturedTable& table, const TableShape& shape,
                             const ShapeChange& change, std::string& copy_because);

// Empty, in the table's shape; models stay on its change rows.
Status make_bronze_anew(clickhouse::ClientPool& pool, const CapturedTable& table,
                        const std::vector<ShapeChange::Renamed>& renamed = {});

}  // namespace tidemark::ingest
