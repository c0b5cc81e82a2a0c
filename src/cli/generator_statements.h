// Statements of the generators that change rows, and the arrays they take: one statement for many rows, with
// the number of rows it changed.
#pragma once

#include "base/error.h"
#include "postgres/connection.h"

#include <cstdint>
#include <fmt/ranges.h>
#include <string>
#include <vector>

namespace tidemark::cli {

// `sql`: INSERT, UPDATE or DELETE without RETURNING.
Result<int64_t> affected_rows(postgres::Connection& connection, const std::string& sql,
                              const std::vector<std::string>& parameters = {});

// The pack's tables, made when one of these is missing; from then on the connection finds them without a
// schema's name. Errors: refused (no right to create).
Status make_tables(postgres::Connection& connection, const std::string& pack,
                   const std::vector<std::string>& tables);

// '{1,2,3}'. Values must need no quoting inside a Postgres array.
template <class Values>
std::string array_text(const Values& values) {
  return fmt::format("{{{}}}", fmt::join(values, ","));
}

}  // namespace tidemark::cli
