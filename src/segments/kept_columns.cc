#include "segments/kept_columns.h"

#include <algorithm>

namespace tidemark::segments {
namespace {

struct Reader {
  KeptColumns& kept;
  std::vector<bool>& known;
  bool looks_at_clock = false;

  size_t number(size_t column, KeptColumns::Kind kind) {
    if (known[column]) return kept.numbers[column].place;
    known[column] = true;
    auto& list = kind == KeptColumns::Kind::flag   ? kept.flags
                 : kind == KeptColumns::Kind::time ? kept.times
                                                   : kept.constants;
    kept.numbers[column] = {kind, list.size()};
    list.push_back(column);
    if (kind == KeptColumns::Kind::time) kept.time_flags.emplace_back();
    if (kind == KeptColumns::Kind::flag) kept.selects.push_back(false);
    return list.size() - 1;
  }
  size_t flag(size_t column) { return number(column, KeptColumns::Kind::flag); }

  static void add(std::vector<size_t>& flags, size_t flag) {
    if (std::find(flags.begin(), flags.end(), flag) == flags.end()) flags.push_back(flag);
  }
  size_t select(size_t column) {
    size_t place = flag(column);
    kept.selects[place] = true;
    return place;
  }
  size_t selected(const LeafEvents& events) {
    looks_at_clock |= events.turn.has_value();
    return select(events.match);
  }

  void read(const EventLeaf& leaf) {
    size_t match = selected(leaf.events);
    if (const auto* value = std::get_if<ValueLeaf>(&leaf.test)) {
      add(kept.text_flags[value->text], match);
    } else if (const auto* edge = std::get_if<EdgeLeaf>(&leaf.test)) {
      looks_at_clock |= edge->next.has_value();
      flag(edge->test);
    } else if (const auto* days = std::get_if<ActiveDaysLeaf>(&leaf.test)) {
      add(kept.time_flags[number(days->day, KeptColumns::Kind::time)], match);
    } else if (const auto* regularly = std::get_if<RegularlyLeaf>(&leaf.test)) {
      add(kept.time_flags[number(regularly->period, KeptColumns::Kind::time)], match);
      number(regularly->today, KeptColumns::Kind::constant);
      add(kept.ends, number(regularly->next_start, KeptColumns::Kind::constant));
    } else if (const auto* restarted = std::get_if<RestartedLeaf>(&leaf.test)) {
      select(restarted->all);
    } else if (const auto* sequence = std::get_if<SequenceLeaf>(&leaf.test)) {
      selected(sequence->then);
    }
  }
};

}  // namespace

std::optional<KeptColumns> kept_columns(const std::vector<EventLeaf>& leaves, size_t numbers, size_t texts) {
  KeptColumns kept;
  kept.numbers.resize(numbers);
  kept.texts = texts;
  kept.text_flags.resize(texts);
  std::vector<bool> known(numbers);
  Reader reader{kept, known};
  for (const EventLeaf& leaf : leaves) reader.read(leaf);
  if (reader.looks_at_clock) return std::nullopt;
  return kept;
}

}  // namespace tidemark::segments
