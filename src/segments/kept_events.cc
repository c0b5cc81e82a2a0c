#include "segments/kept_events.h"

#include "segments/kept_bytes.h"

#include <algorithm>

namespace tidemark::segments {
namespace {

constexpr size_t first_word = 3;  // after _key, _ts, _id

}  // namespace

bool KeptEvents::any(const std::vector<size_t>& flags, const uint64_t* words) const {
  return std::any_of(flags.begin(), flags.end(),
                     [&](size_t flag) { return (words[flag / 64] >> (flag % 64) & 1) != 0; });
}

bool KeptEvents::wanted(const KeptColumns& columns, const Block& block, size_t row) {
  for (size_t flag = 0; flag < columns.flags.size(); ++flag)
    if (columns.selects[flag] &&
        (block.columns[first_word + flag / 64].get<uint64_t>(row) >> (flag % 64) & 1) != 0)
      return true;
  return false;
}

int64_t KeptEvents::number(size_t column, size_t event) const {
  const KeptColumns::Number& number = columns_.numbers[column];
  size_t place = events_[event].place;
  switch (number.kind) {
    case KeptColumns::Kind::flag:
      return static_cast<int64_t>(
          words_[place * columns_.words() + number.place / 64] >> (number.place % 64) & 1);
    case KeptColumns::Kind::time:
      return times_[place * columns_.times.size() + number.place];
    case KeptColumns::Kind::constant:
      return constants_[number.place];
  }
  return 0;
}

void KeptEvents::clear() {
  events_.clear();
  words_.clear();
  times_.clear();
  texts_.clear();
  places_ = 0;
}

// Instants as distances, then flags, and of times and texts what the flags say is looked at.
void KeptEvents::read(std::string_view kept) {
  KeptReader reader(kept);
  int64_t at = 0;
  while (!reader.done()) {
    at += reader.signed_number();
    events_.push_back({at, places_++, {}});
    size_t from = words_.size();
    for (size_t word = 0; word < columns_.words(); ++word) words_.push_back(reader.number());
    const uint64_t* words = words_.data() + from;
    for (const auto& flags : columns_.time_flags)
      times_.push_back(any(flags, words) ? reader.signed_number() : 0);
    for (const auto& flags : columns_.text_flags) {
      bool there = any(flags, words) && reader.number() != 0;
      texts_.push_back(there ? std::optional(reader.text()) : std::nullopt);
    }
  }
}

std::string KeptEvents::bytes() const {
  std::string out;
  int64_t before = 0;
  for (const Event& event : events_) {
    if (event.at <= forgotten_until_) continue;
    put_signed(out, event.at - before);
    before = event.at;
    const uint64_t* words = words_.data() + event.place * columns_.words();
    for (size_t word = 0; word < columns_.words(); ++word) put_number(out, words[word]);
    for (size_t time = 0; time < columns_.times.size(); ++time)
      if (any(columns_.time_flags[time], words))
        put_signed(out, times_[event.place * columns_.times.size() + time]);
    for (size_t text = 0; text < columns_.texts; ++text) {
      if (!any(columns_.text_flags[text], words)) continue;
      const auto& value = texts_[event.place * columns_.texts + text];
      put_number(out, value ? 1 : 0);
      if (value) put_text(out, *value);
    }
  }
  out.shrink_to_fit();
  return out;
}

bool KeptEvents::add(const Block& block, const std::vector<size_t>& rows) {
  size_t kept = events_.size();
  const size_t words = columns_.words(), first_time = first_word + words,
               first_text = first_time + columns_.times.size();
  for (size_t row : rows) {
    if (!wanted(columns_, block, row)) continue;
    for (size_t word = 0; word < words; ++word)
      words_.push_back(block.columns[first_word + word].get<uint64_t>(row));
    events_.push_back({block.columns[1].get<int64_t>(row), places_++, block.columns[2].text(row)});
    for (size_t time = 0; time < columns_.times.size(); ++time)
      times_.push_back(block.columns[first_time + time].get<int64_t>(row));
    for (size_t text = 0; text < columns_.texts; ++text) {
      const Column& values = block.columns[first_text + text];
      texts_.push_back(values.is_null(row) ? std::nullopt : std::optional(values.text(row)));
    }
  }
  if (events_.size() == kept) return true;
  auto by_instant = [](const Event& left, const Event& right) {
    return left.at != right.at ? left.at < right.at : left.id < right.id;
  };
  auto middle = events_.begin() + static_cast<ptrdiff_t>(kept);
  std::sort(middle, events_.end(), by_instant);
  auto at_of = [](const Event& left, const Event& right) { return left.at < right.at; };
  for (auto event = middle; event != events_.end(); ++event)
    if (std::binary_search(events_.begin(), middle, *event, at_of)) return false;
  std::inplace_merge(events_.begin(), middle, events_.end(), at_of);
  return true;
}

}  // namespace tidemark::segments
