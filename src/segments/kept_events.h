// The events of one entity as they are kept: a few bytes each instead of a row, by instant and, where that is
// one, by id. Reads and writes that form, takes rows of kept questions (EventPass::kept_sql) in, and is what
// leaves are answered from.
//
// Ids are not kept: whoever adds an event of an instant that a kept one has too must read all of them again
// (add() says so). One thread; texts point into what was given, which must outlive this.
#pragma once

#include "base/column.h"
#include "segments/kept_columns.h"

#include <string>
#include <string_view>
#include <vector>

namespace tidemark::segments {

class KeptEvents : public EntityEvents {
 public:
  // `constants`: by place.
  KeptEvents(const KeptColumns& columns, const std::vector<int64_t>& constants)
      : columns_(columns), constants_(constants) {}

  void read(std::string_view kept);
  // Rows of a block of kept_sql. False: the order cannot be told without the ids of those that were kept.
  bool add(const Block& block, const std::vector<size_t>& rows);
  // Events at or before this are of no use any more.
  void forget_until(int64_t instant) { forgotten_until_ = instant; }
  std::string bytes() const;
  void clear();
  // Some leaf is about this row of such a block.
  static bool wanted(const KeptColumns& columns, const Block& block, size_t row);

  size_t size() const override { return events_.size(); }
  int64_t at(size_t event) const override { return events_[event].at; }
  int64_t number(size_t column, size_t event) const override;
  std::optional<std::string_view> text(size_t column, size_t event) const override {
    return texts_[events_[event].place * columns_.texts + column];
  }

 private:
  struct Event {
    int64_t at = 0;
    size_t place = 0;  // of its values
    std::string_view id;
  };
  bool any(const std::vector<size_t>& flags, const uint64_t* words) const;

  const KeptColumns& columns_;
  const std::vector<int64_t>& constants_;
  std::vector<Event> events_;
  std::vector<uint64_t> words_;
  std::vector<int64_t> times_;
  std::vector<std::optional<std::string_view>> texts_;
  size_t places_ = 0;
  int64_t forgotten_until_ = std::numeric_limits<int64_t>::min();
};

}  // namespace tidemark::segments
