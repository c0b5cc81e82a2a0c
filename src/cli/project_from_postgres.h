// A first project for a Postgres that nobody has described (`tidemark new --from <url>`): its tables as a
// source, a model of rows by day of each table that has a time, and one dashboard over them. What comes out
// are files like any others, to be read and changed.
//
// Left out, each with its reason: tables without a primary key (Postgres refuses updates and deletes of
// such a table once it is published), and those in which migration tools keep their own state.
//
// Pure: the tables are read by whoever calls. No threads.
#pragma once

#include "postgres/catalog.h"

#include <string>
#include <utility>
#include <vector>

namespace tidemark::cli {

struct DraftedProject {
  std::vector<std::pair<std::string, std::string>> files;     // path in the project, text
  std::vector<std::pair<std::string, std::string>> left_out;  // table, why
  size_t tables = 0;                                          // that are captured
};

// `name`: of project and source, an identifier. The url is ${env:<variable>}. Errors: refused when there is
// no table to capture.
Result<DraftedProject> draft_project(const std::string& name, const std::string& variable,
                                     const std::vector<postgres::SourceTable>& tables);

// The column whose days are counted: when a row came to be. Null: there is none.
const postgres::SourceColumn* time_column(const postgres::SourceTable& table);

// A name that can be one of ours: lower-case letters, digits and _; "Order items" -> "order_items".
std::string identifier_from(std::string_view text);

}  // namespace tidemark::cli
