// Decodes rows of one table into the columns of a Block: columns 0 .. n-1 of the block are the table's, in
// its order; what the caller adds after them (_version, ...) is the caller's to fill, also to take back.
//
// A row goes in whole or not at all: when a value cannot be taken the block is as it was, and error() says
// which column and why; the caller puts the row into quarantine.
//
// Threads: one a TableDecoder.
#pragma once

#include "base/column.h"
#include "postgres/pgoutput.h"
#include "postgres/type_decoder.h"

#include <map>

namespace tidemark::postgres {

struct RowError {
  size_t column = 0;  // index into table().columns
  const char* reason = "";
  std::string value;  // the offending bytes, cut to limits::error_value_bytes_max; binary is shown as \x...
};

// Which columns a tuple speaks for.
enum class RowImage {
  full,  // all of them
  key,   // those of the replica identity; the others become NULL or the type's default
};

// How a Relation message differs from the table this decoder was made for. Not same(): read the table again.
struct RelationDifference {
  std::vector<std::string> added;    // in the message only
  std::vector<std::string> missing;  // in the table only
  std::vector<std::string> changed;  // other type or modifier
  bool renamed = false;              // the table itself: other schema or name
  bool same() const { return added.empty() && missing.empty() && changed.empty() && !renamed; }
};

class TableDecoder {
 public:
  explicit TableDecoder(SourceTable table);
  const SourceTable& table() const { return table_; }
  const Decoder& decoder(size_t column) const { return decoders_[column]; }

  // Adds the table's columns to an empty block.
  void add_columns(Block& block) const;

  // Says in which order tuples will carry the columns. Until bound: in the table's order. Columns of the
  // message the table does not have are skipped (the caller may have excluded them); columns the message does
  // not have get NULL or the default, which is only right if the caller decided so after looking at the
  // difference. Nullability, keys and enum labels are not in the message: on every Relation message a careful
  // caller reads the catalog again.
  RelationDifference bind(const Relation& relation);

  // The same where the caller knows which field is which column's (-1: not sent) of `field_count` in a tuple.
  void bind(std::vector<int> field_of_column, size_t field_count);
  // What a column that is not sent gets in place of NULL or the default: one row of its type.
  void set_value_unsent(size_t column, Column value) { unsent_.insert_or_assign(column, std::move(value)); }

  // Appends one row; false on a conversion error. Unchanged TOAST values ('u') are taken from `old_row` when
  // it has them, else appended as default and listed in unchanged().
  bool append(TupleView row, RowImage image, Block& out, TupleView old_row = {});
  const RowError& error() const { return error_; }
  // "impressions.cost: NaN does not fit Decimal(10, 2) (value: NaN)"
  std::string error_text() const;
  // Columns whose value is not known after the last append: it was not sent and no old row had it.
  const std::vector<size_t>& unchanged() const { return unchanged_; }

  // For CopyBinaryReader: one field, in the table's order, binary (or text where
  // decoder(column).requires_text()). length -1: NULL. On false call take_back(column).
  bool append_copy_field(size_t column, const char* data, int32_t length, Block& out);
  // Removes the last value of columns [0, count).
  void take_back(size_t count, Block& out) const;

 private:
  bool refuse(size_t column, const char* reason, char kind, const char* data, size_t length);

  SourceTable table_;
  std::vector<Decoder> decoders_;
  std::vector<int> field_of_column_;  // -1: not sent
  size_t field_count_;                // a tuple must have exactly this many
  std::map<size_t, Column> unsent_;
  RowError error_;
  std::vector<size_t> unchanged_;
};

}  // namespace tidemark::postgres
