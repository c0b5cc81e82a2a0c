#include "ingest/kafka_places.h"

#include <charconv>
#include <fmt/format.h>

namespace tidemark::ingest {
namespace {

// Lines of fields with tabs between: "p topic partition offset snapshot newest begun", "t table lsn ordinal
// epoch".
std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  while (true) {
    size_t end = text.find(at);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

template <class T>
bool number(std::string_view text, T& value) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

uint64_t KafkaPlaces::sum() const {
  uint64_t sum = 0;
  for (const auto& [partition, place] : partitions) sum += static_cast<uint64_t>(place.offset);
  return sum;
}

bool KafkaPlaces::reached(const KafkaPlaces& other) const {
  return std::all_of(other.partitions.begin(), other.partitions.end(), [&](const auto& entry) {
    auto mine = partitions.find(entry.first);
    return (mine == partitions.end() ? 0 : mine->second.offset) >= entry.second.offset;
  });
}

std::vector<kafka::Position> KafkaPlaces::positions() const {
  std::vector<kafka::Position> positions;
  for (const auto& [partition, place] : partitions)
    positions.push_back({partition.first, partition.second, place.offset});
  return positions;
}

std::string KafkaPlaces::text() const {
  std::string text;
  for (const auto& [partition, place] : partitions)
    text += fmt::format("p\t{}\t{}\t{}\t{}\t{}\t{}\n", partition.first, partition.second, place.offset,
                        place.marks.snapshot, place.marks.newest, place.begun);
  for (const auto& [table, version] : truncated)
    text += fmt::format("t\t{}\t{}\t{}\t{}\n", table, version_lsn(version), version_ordinal(version),
                        version_epoch(version));
  return text;
}

Result<KafkaPlaces> KafkaPlaces::parse(std::string_view text) {
  KafkaPlaces places;
  for (std::string_view line : split(text, '\n')) {
    if (line.empty()) continue;
    auto fields = split(line, '\t');
    bool good = false;
    if (fields[0] == "p" && (fields.size() == 6 || fields.size() == 7)) {
      int32_t partition = 0;
      KafkaPlace place;
      good = number(fields[2], partition) && number(fields[3], place.offset) &&
             number(fields[4], place.marks.snapshot) && number(fields[5], place.marks.newest) &&
             (fields.size() == 6 || number(fields[6], place.begun));
      places.partitions[{std::string(fields[1]), partition}] = place;
    } else if (fields[0] == "t" && fields.size() == 5) {
      uint64_t lsn = 0;
      uint64_t ordinal = 0;
      uint16_t epoch = 0;
      good = number(fields[2], lsn) && number(fields[3], ordinal) && number(fields[4], epoch);
      places.truncated[std::string(fields[1])] = make_version(epoch, lsn, ordinal);
    }
    if (!good)
      return fail(ErrorKind::corrupt, fmt::format("a position in tidemark.cuts cannot be read: {}", line));
  }
  return places;
}

}  // namespace tidemark::ingest
