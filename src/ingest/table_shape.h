// What a table of a Postgres source looked like so far, and what a change of it means for the rows we have.
//
// The stream names columns and does not number them, and it speaks of the table as it was at that place of
// the log; the catalog numbers them and only knows how it is now. So every form a table had is kept, with the
// numbers: a form that is found in the stream again (a restart, rows before the ALTER of one transaction) is
// read by number into the columns the table has now. A form that is not known sends us to the catalog.
//
// What can be followed where it is: a column that is added (old rows read the default as of the ALTER),
// dropped, renamed, made nullable or NOT NULL, or given a type that holds the same values without the server
// writing the table anew. Everything else is exact only by copying the table again (table_tender.h): the key,
// rows that were written anew, partitions that came or went with their rows.
//
// Pure functions over plain values.
#pragma once

#include "ingest/captured_table.h"
#include "postgres/pgoutput.h"

#include <map>
#include <optional>

namespace tidemark::ingest {

// As the stream describes it, in its order, with the numbers.
struct FormColumn {
  int number = 0;
  std::string name;
  uint32_t type_oid = 0;
  int32_t type_modifier = -1;

  bool operator==(const FormColumn&) const = default;
};
using TableForm = std::vector<FormColumn>;

struct TableShape {
  std::string storage;                       // postgres::SourceTable::storage
  std::vector<int> key;                      // numbers
  bool log = false;                          // in the warehouse
  int last_number = 0;                       // postgres::SourceTable::last_number
  std::map<int, uint32_t> definitions;       // number -> postgres::SourceColumn::definition
  std::vector<TableForm> forms;              // newest last
  std::map<int, std::string> values_before;  // of columns added meanwhile: what older rows read, as text
  std::string selection;                     // postgres::TableSelection::text()

  std::string to_json() const;
  static Result<TableShape> from_json(std::string_view text);

  const TableForm& form() const { return forms.back(); }
  // The newest form that is the relation's; null when there is none.
  const TableForm* find(const postgres::Relation& relation) const;
};

TableForm form_of(const postgres::SourceTable& table);
TableForm form_of(const postgres::Relation& relation);  // without numbers
TableShape shape_of(const CapturedTable& table);

// What became of a table between a shape and now.
struct ShapeChange {
  struct Renamed {
    std::string from, to;
  };
  std::vector<Renamed> renamed;
  std::vector<size_t> added;         // indices into the table's columns
  std::vector<std::string> dropped;  // by the names they had
  std::string words;                 // all of it, for people
  std::string copy_because;          // it cannot be followed where it is

  bool none() const { return words.empty() && copy_because.empty(); }
};
ShapeChange compare(const TableShape& before, const CapturedTable& now);

// The shape after the change was followed: the forms of before, too.
TableShape follow(TableShape before, const CapturedTable& now);

// What the stream called a form between two that are known, told by names: only where no other reading is
// possible. Of forms between which compare() found nothing to copy for.
std::optional<TableForm> form_between(const TableForm& was, const TableForm& now,
                                      const postgres::Relation& relation);

// The value that rows of before the column read, decoded; a NULL or the type's zero when there is none.
// Nothing when it does not fit the column's type.
std::optional<Column> value_before(const TableShape& shape, const postgres::SourceColumn& column);

}  // namespace tidemark::ingest
