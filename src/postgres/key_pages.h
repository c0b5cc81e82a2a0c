// Walks a table in the order of some columns in pages: each page is a range of keys, found by asking the
// server for the key that ends it. Keys travel as the server's own text, so every type that can be compared
// can be walked, also values that the warehouse has no place for; and a place can be written down and gone on
// from another day.
//
//   "a" >= '2026-01-01'::date          where the walk begins (`from`), on the first column only
//   ("a", "id") > ('...', '7')         after the last page
//   ("a", "id") <= ('...', '1007')     up to this page's end
#pragma once

#include "postgres/catalog.h"

namespace tidemark::postgres {

// Values of the walk's columns as the server prints them.
using KeyText = std::vector<std::string>;

struct KeyWalk {
  const SourceTable* table = nullptr;
  std::vector<size_t> columns;  // indices; together unique, all but the first NOT NULL
  std::string condition;        // always holds: "updated_at IS NULL"; may be empty
};

// The WHERE clause of the rows after `after` (empty: from the beginning) up to and with `upto` (empty: to the
// end).
std::string range_condition(const KeyWalk& walk, const KeyText& after, const KeyText& upto);

// The key of the row that is `rows` rows after `after`: where a page of so many rows ends. Nothing when fewer
// are left. Precondition: rows > 0.
Result<std::optional<KeyText>> page_end(Connection& connection, const KeyWalk& walk, const KeyText& after,
                                        size_t rows);

// "'2026-01-01 00:00:00'::timestamp without time zone"
std::string typed_literal(const SourceColumn& column, const std::string& text);

}  // namespace tidemark::postgres
