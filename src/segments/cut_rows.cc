#include "segments/cut_rows.h"

#include "segments/membership_limits.h"

namespace tidemark::segments {

void CutRows::want(std::map<std::string, std::vector<std::string>> columns) {
  std::lock_guard lock(mutex_);
  wanted_ = std::move(columns);
  // Of what is under way the new columns are missing.
  for (auto& [source, flight] : flights_) flight.known = false;
}

uint64_t CutRows::now() {
  std::lock_guard lock(mutex_);
  return ++now_;
}

void CutRows::begins(const std::string& source, uint64_t cut, bool repeated) {
  std::lock_guard lock(mutex_);
  flights_[source] = {
      .cut = cut, .began = ++now_, .known = !repeated, .rows = 0, .tables = {}, .unknown = {}};
}

std::shared_ptr<const Block> CutRows::part_in(const std::string& source, uint64_t cut,
                                              const std::string& table, const Block* added) {
  std::lock_guard lock(mutex_);
  auto wanted = wanted_.find(table);
  Flight& flight = flights_[source];
  if (flight.cut != cut || !flight.known || wanted == wanted_.end()) return nullptr;
  auto rows = std::make_shared<Block>();
  bool known = added != nullptr && flight.rows + added->rows() <= limits::cut_rows_max;
  for (const std::string& name : wanted->second) {
    const Column* column = known ? added->find(name) : nullptr;
    known = column != nullptr;
    if (!known) break;
    rows->add(name, column->type());
    for (size_t row = 0; row < added->rows(); ++row) rows->columns.back().append_from(*column, row);
  }
  if (!known) {
    flight.unknown[table] = true;
    return nullptr;
  }
  flight.rows += added->rows();
  flight.tables[table].push_back(rows);
  return rows;
}

std::optional<AddedRows> CutRows::of(uint64_t cut, const std::vector<std::string>& tables) const {
  std::lock_guard lock(mutex_);
  for (const auto& [source, flight] : flights_) {
    if (flight.cut != cut || !flight.known) continue;
    AddedRows added{.began = flight.began, .tables = {}};
    for (const std::string& table : tables)
      if (auto found = flight.tables.find(table);
          found != flight.tables.end() && !flight.unknown.contains(table))
        added.tables.emplace(table, found->second);
    if (added.tables.size() == tables.size()) return added;
  }
  return std::nullopt;
}

}  // namespace tidemark::segments
