// WITH name AS (SELECT ...) and WITH expression AS name put in where they are read, so that the kinds that
// take a SELECT apart see plain subqueries and expressions. ClickHouse computes such a name anew wherever it
// is read, too, so the meaning is the same.
//
// Functions (WITH x -> x + 1 AS next), names that the text gives again (AS name, name -> ...) and WITH inside
// subqueries stay. Every line of the text stays the line it was: what is put in is one line, and the clause
// leaves its line ends.
#pragma once

#include "base/error.h"

#include <string>
#include <string_view>

namespace tidemark::models {

// Errors: those of tokenize.
Result<std::string> subqueries_in_place(std::string_view sql);

}  // namespace tidemark::models
