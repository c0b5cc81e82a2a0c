#include "ingest/change_rows.h"

#include "base/invariant.h"
#include "ingest/image_reader.h"

#include <unordered_map>

namespace tidemark::ingest {
namespace {

// Where the image of a row is to be found.
struct Image {
  enum class Place : uint8_t { nowhere, part, fetched, sent, source } place = Place::nowhere;
  size_t row = 0;
};

class Completion {
 public:
  Completion(Part& part, const ImageReader& read, const ImageReader& read_source)
      : part_(part),
        table_(*part.table),
        read_(read),
        read_source_(read_source),
        source_columns_(table_.source.columns.size()),
        shares_keys_(table_.source.key_deferrable) {}

  Result<ChangeRows> run() {
    TRY_VOID(fetch_images());
    TRY_VOID(fetch_from_source());
    prepare_refill();
    prepare_changes();
    size_t next_unchanged = 0;
    Image removed_before;  // the old image of the row just removed: a key change takes large values from it
    for (size_t row = 0; row < part_.operations.size(); ++row) {
      Operation operation = part_.operations[row];
      std::string key = key_of(part_.rows, row);
      Image old = operation == Operation::insert && !table_.repeats ? Image{} : old_image(key, row);
      // Large values that were left out.
      Image values = operation == Operation::insert ? removed_before : old;
      if (values.place == Image::Place::nowhere)
        if (auto found = source_rows_.find(key); found != source_rows_.end())
          values = {.place = Image::Place::source, .row = found->second};
      std::optional<size_t> missing_column;
      bool from_source = false;
      for (auto& [column, refilled] : refilled_) {
        bool left_out = false;
        while (next_unchanged < part_.unchanged.size() && part_.unchanged[next_unchanged].row == row &&
               part_.unchanged[next_unchanged].column < column)
          ++next_unchanged;
        if (next_unchanged < part_.unchanged.size() && part_.unchanged[next_unchanged].row == row &&
            part_.unchanged[next_unchanged].column == column) {
          left_out = true;
          ++next_unchanged;
        }
        if (!left_out) {
          refilled.append_from(part_.rows.columns[column], row);
        } else if (values.place == Image::Place::nowhere) {
          refilled.append_default();  // keeps the columns in step until the row is taken out
          missing_column = column;
        } else {
          auto [source, source_row] = value_at(values, column);
          refilled.append_from(*source, source_row);
          from_source |= values.place == Image::Place::source;
        }
      }
      if (missing_column) {
        refuse(row, *missing_column);
        removed_before = {};
        continue;
      }
      if (shares_keys_ && sent_old(row) && is_of_older(key, row)) {
        // The newer row has the key already; this one only leaves it.
        emit(operation, row, old);
        left_out_rows_.push_back(row);
        if (operation == Operation::remove)
          older_.erase(key);
        else
          older_[key] = Image{.place = Image::Place::part, .row = row};
        removed_before = operation == Operation::remove ? old : Image{};
        continue;
      }
      if (shares_keys_ && operation == Operation::insert) note_older(key);
      // The warehouse sees it for the first time.
      emit(from_source && operation == Operation::update ? Operation::insert : operation, row, old);
      removed_before = operation == Operation::remove ? old : Image{};
      if (operation == Operation::remove && bring_back_older(key, row)) continue;
      latest_[std::move(key)] =
          operation == Operation::remove ? Image{} : Image{.place = Image::Place::part, .row = row};
    }
    for (auto& [column, refilled] : refilled_) part_.rows.columns[column] = std::move(refilled);
    rebuild_rows();
    return std::move(changes_);
  }

 private:
  std::string key_of(const Block& block, size_t row) const {
    std::string key;
    for (size_t column : table_.source.key) block.columns[column].encode(row, key);
    return key;
  }

  void refuse(size_t row, size_t column) {
    Block key;
    for (size_t index : table_.source.key) {
      key.add(table_.source.columns[index].name, part_.rows.columns[index].type());
      key.columns.back().append_from(part_.rows.columns[index], row);
    }
    changes_.refused.push_back({.key = key_literal(key, 0),
                                .column = column,
                                .version = part_.rows.find(bookkeeping::version)->get<Version>(row)});
    left_out_rows_.push_back(row);
  }

  // A key that is checked at the end of the transaction (DEFERRABLE) may be of two rows until then: `id = id
  // + 1` moves a row to a key before the row that has it moves away. What is said of the key then is about
  // the row with the old image that was sent.
  uint64_t lsn_of(size_t row) const {
    return version_lsn(part_.rows.find(bookkeeping::version)->get<Version>(row));
  }
  // Does the key have another row by now, which this transaction put there?
  bool is_of_older(const std::string& key, size_t row) const {
    auto found = latest_.find(key);
    if (found == latest_.end()) return false;
    const Image& newest = found->second;
    bool same_transaction = newest.place == Image::Place::part ? lsn_of(newest.row) == lsn_of(row)
                            : newest.place == Image::Place::fetched
                                ? part_.number > 0 && lsn_of(row) == lsn_of(0)
                                : false;
    if (!same_transaction) return false;
    Image old = old_image(key, row);
    for (size_t column = 0; column < source_columns_; ++column) {
      std::string left, right;
      auto [newest_column, newest_row] = value_at(newest, column);
      auto [old_column, old_row] = value_at(old, column);
      newest_column->encode(newest_row, left);
      old_column->encode(old_row, right);
      if (left != right) return true;
    }
    return false;
  }
  // A row comes to a key: the one that has it goes later in this transaction, or the new one does.
  void note_older(const std::string& key) {
    auto found = latest_.find(key);
    if (found == latest_.end() || found->second.place == Image::Place::nowhere)
      older_.erase(key);
    else
      older_[key] = found->second;
  }
  // The newer of two rows goes: instead of its tombstone the older one is written again.
  bool bring_back_older(const std::string& key, size_t row) {
    auto older = older_.find(key);
    if (older == older_.end()) return false;
    Image image = older->second;
    older_.erase(older);
    auto newest = latest_.find(key);
    if (newest == latest_.end() || newest->second.place != Image::Place::part ||
        lsn_of(newest->second.row) != lsn_of(row))
      return false;
    if (brought_back_.columns.empty())
      for (const auto& column : table_.source.columns) brought_back_.add(column.name, column.target);
    for (size_t column = 0; column < source_columns_; ++column) {
      auto [source, source_row] = value_at(image, column);
      brought_back_.columns[column].append_from(*source, source_row);
    }
    brought_back_rows_.push_back(row);
    newest->second = image;
    return true;
  }

  // Without those that were left out, and with older rows in the place of tombstones.
  void rebuild_rows() {
    if (left_out_rows_.empty() && brought_back_rows_.empty()) return;
    Block kept = bronze_block(table_);
    std::vector<Operation> operations;
    for (size_t row = 0, left_out = 0, back = 0; row < part_.operations.size(); ++row) {
      if (left_out < left_out_rows_.size() && left_out_rows_[left_out] == row) {
        ++left_out;
        continue;
      }
      bool again = back < brought_back_rows_.size() && brought_back_rows_[back] == row;
      for (size_t column = 0; column < kept.columns.size(); ++column)
        if (again && column < source_columns_)
          kept.columns[column].append_from(brought_back_.columns[column], back);
        else if (again && kept.names[column] == bookkeeping::deleted)
          kept.columns[column].append<uint8_t>(0);
        else
          kept.columns[column].append_from(part_.rows.columns[column], row);
      operations.push_back(again ? Operation::update : part_.operations[row]);
      back += again ? 1 : 0;
    }
    part_.rows = std::move(kept);
    part_.operations = std::move(operations);
  }

  bool sent_old(size_t row) const { return !part_.old_row_of.empty() && part_.old_row_of[row] >= 0; }

  // Which rows want an old image: all of them for change rows, else those with left-out values, and the
  // removed row before one of them, which a key change takes values from.
  std::vector<bool> wanted_rows() const {
    std::vector<bool> wanted(part_.operations.size(), table_.has_changes || shares_keys_);
    for (const auto& unchanged : part_.unchanged) {
      wanted[unchanged.row] = true;
      if (unchanged.row > 0 && part_.operations[unchanged.row] == Operation::insert)
        wanted[unchanged.row - 1] = true;
    }
    return wanted;
  }

  // One read for all keys whose old image neither the part nor the stream has.
  Status fetch_images() {
    if (!table_.has_changes && part_.unchanged.empty() && !shares_keys_) return {};
    std::vector<bool> wanted = wanted_rows();
    Block keys;
    for (size_t column : table_.source.key)
      keys.add(table_.source.columns[column].name, table_.source.columns[column].target);
    std::unordered_map<std::string, bool> known;
    for (size_t row = 0; row < part_.operations.size(); ++row) {
      if (!wanted[row]) continue;
      auto [entry, first_time] = known.try_emplace(key_of(part_.rows, row), true);
      bool needless = (part_.operations[row] == Operation::insert && !table_.repeats) || sent_old(row);
      if (!first_time || (needless && !shares_keys_)) continue;
      for (size_t index = 0; index < table_.source.key.size(); ++index)
        keys.columns[index].append_from(part_.rows.columns[table_.source.key[index]], row);
    }
    if (keys.rows() == 0) return {};
    fetched_ = TRY(read_(table_, keys));
    for (size_t row = 0; row < fetched_.rows(); ++row)
      latest_[key_of(fetched_, row)] = Image{.place = Image::Place::fetched, .row = row};
    return {};
  }

  // Rows with left-out values whose image will be found nowhere when run() comes to them: followed here in
  // the same order, but without values.
  Status fetch_from_source() {
    if (!read_source_ || part_.unchanged.empty()) return {};
    std::unordered_map<std::string, bool> there;
    for (const auto& [key, image] : latest_) there[key] = true;
    Block keys;
    for (size_t column : table_.source.key)
      keys.add(table_.source.columns[column].name, table_.source.columns[column].target);
    std::unordered_map<std::string, bool> asked;
    size_t next = 0;
    bool removed_before = false;
    for (size_t row = 0; row < part_.operations.size(); ++row) {
      Operation operation = part_.operations[row];
      std::string key = key_of(part_.rows, row);
      bool old = sent_old(row) || there.contains(key);
      bool left_out = false;
      for (; next < part_.unchanged.size() && part_.unchanged[next].row == row; ++next) left_out = true;
      bool found = operation == Operation::insert ? removed_before : old;
      if (left_out && !found && asked.try_emplace(key, true).second)
        for (size_t index = 0; index < table_.source.key.size(); ++index)
          keys.columns[index].append_from(part_.rows.columns[table_.source.key[index]], row);
      removed_before = operation == Operation::remove && old;
      if (operation == Operation::remove)
        there.erase(key);
      else if (!left_out || found)
        there[key] = true;
    }
    if (keys.rows() == 0) return {};
    from_source_ = TRY(read_source_(table_, keys));
    for (size_t row = 0; row < from_source_.rows(); ++row) source_rows_[key_of(from_source_, row)] = row;
    return {};
  }

  // Columns that have left-out values are built anew, row by row, so that a later row can take from an
  // earlier one.
  void prepare_refill() {
    std::vector<bool> wanted(source_columns_);
    for (const auto& unchanged : part_.unchanged) wanted[unchanged.column] = true;
    for (size_t column = 0; column < source_columns_; ++column)
      if (wanted[column]) refilled_.emplace(column, Column(part_.rows.columns[column].type()));
  }

  void prepare_changes() {
    if (!table_.has_changes) return;
    for (const auto& column : table_.source.columns) changes_.rows.add(column.name, column.target);
    changes_.rows.add(bookkeeping::sign, ColumnType::of(TypeKind::int8));
    changes_.rows.add(bookkeeping::operation, ColumnType::of(TypeKind::string));
    changes_.rows.add(bookkeeping::version, ColumnType::of(TypeKind::uint128));
    changes_.rows.add(bookkeeping::committed_at, ColumnType::datetime64(6, "UTC"));
    changes_.rows.add(bookkeeping::cut, ColumnType::of(TypeKind::uint64));
  }

  Image old_image(const std::string& key, size_t row) const {
    if (sent_old(row))
      return Image{.place = Image::Place::sent, .row = static_cast<size_t>(part_.old_row_of[row])};
    auto found = latest_.find(key);
    return found == latest_.end() ? Image{} : found->second;
  }

  std::pair<const Column*, size_t> value_at(const Image& image, size_t column) const {
    switch (image.place) {
      case Image::Place::fetched:
        return {&fetched_.columns[column], image.row};
      case Image::Place::sent:
        return {&part_.old_rows.columns[column], image.row};
      case Image::Place::source:
        return {&from_source_.columns[column], image.row};
      default:
        break;
    }
    auto refilled = refilled_.find(column);
    return {refilled != refilled_.end() ? &refilled->second : &part_.rows.columns[column], image.row};
  }

  void emit(Operation operation, size_t row, const Image& old) {
    if (!table_.has_changes) return;
    if (operation != Operation::insert || table_.repeats) {
      if (old.place != Image::Place::nowhere)
        emit_row(old, -1, operation, row);
      else if (!table_.repeats)
        ++changes_.missing_old;
      else if (operation == Operation::update)
        operation = Operation::insert;  // such a source does not say which of the two it is
    }
    if (operation != Operation::remove)
      emit_row({.place = Image::Place::part, .row = row}, 1, operation, row);
  }

  void emit_row(const Image& image, int8_t sign, Operation operation, size_t row) {
    for (size_t column = 0; column < source_columns_; ++column) {
      auto [source, source_row] = value_at(image, column);
      changes_.rows.columns[column].append_from(*source, source_row);
    }
    // The old side of an update takes the even ordinal below its new side (base/version.h).
    auto version = part_.rows.find(bookkeeping::version)->get<Version>(row);
    if (sign < 0) version &= ~static_cast<Version>(1);
    changes_.rows.columns[source_columns_].append<int8_t>(sign);
    changes_.rows.columns[source_columns_ + 1].append_text(operation == Operation::insert   ? "insert"
                                                           : operation == Operation::update ? "update"
                                                                                            : "delete");
    changes_.rows.columns[source_columns_ + 2].append(version);
    changes_.rows.columns[source_columns_ + 3].append_from(*part_.rows.find(bookkeeping::committed_at), row);
    changes_.rows.columns[source_columns_ + 4].append_from(*part_.rows.find(bookkeeping::cut), row);
  }

  Part& part_;
  const CapturedTable& table_;
  const ImageReader& read_;
  const ImageReader& read_source_;
  size_t source_columns_;
  bool shares_keys_;
  Block fetched_;
  Block from_source_;
  std::unordered_map<std::string, size_t> source_rows_;
  std::unordered_map<std::string, Image> latest_;
  std::map<size_t, Column> refilled_;
  ChangeRows changes_;
  std::vector<size_t> left_out_rows_;
  std::unordered_map<std::string, Image> older_;  // of two rows with one key
  Block brought_back_;
  std::vector<size_t> brought_back_rows_;
};

}  // namespace

Result<ChangeRows> complete(Part& part, const ImageReader& read, const ImageReader& read_source) {
  INVARIANT(part.operations.size() == part.rows.rows());
  return Completion(part, read, read_source).run();
}

}  // namespace tidemark::ingest
