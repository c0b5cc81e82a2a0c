#include "config/snapshot_options.h"

#include "config/environment.h"
#include "config/report.h"

namespace tidemark::config {

namespace {

// A range is read in one transaction: the largest is minutes of work.
constexpr int64_t range_megabytes_max = 65'536;
// Far above what one server can send: more is a mistake.
constexpr int64_t rows_per_second_max = 1'000'000'000;

}  // namespace

SnapshotOptions read_snapshot(Reader reader, const YamlNode& node) {
  SnapshotOptions options;
  MappingReader mapping(reader, node, "`snapshot`");
  if (auto size = mapping.integer("range_megabytes", 1, range_megabytes_max)) options.range_megabytes = *size;
  if (auto rate = mapping.integer("max_rows_per_second", 1, rows_per_second_max))
    options.rows_per_second_max = *rate;
  mapping.finish();
  return options;
}

Result<std::map<std::string, SnapshotOptions>> load_snapshot_options(const std::filesystem::path& directory) {
  Report report(directory);
  Environment environment(false);
  std::map<std::string, SnapshotOptions> found;
  std::error_code failure;
  for (std::filesystem::directory_iterator entry(directory / "sources", failure), end;
       !failure && entry != end; entry.increment(failure)) {
    std::string name = entry->path().filename().string(), extension = entry->path().extension().string();
    if ((extension != ".yaml" && extension != ".yml") || name.starts_with('.')) continue;
    std::filesystem::path file = std::filesystem::path("sources") / name;
    auto text = report.read(file);
    auto node = text ? parse_yaml(report, file, *text) : std::nullopt;
    const YamlNode* source = node ? node->find("source") : nullptr;
    const YamlNode* postgres = node ? node->find("postgres") : nullptr;
    const YamlNode* snapshot = postgres != nullptr ? postgres->find("snapshot") : nullptr;
    if (source != nullptr && snapshot != nullptr)
      found[source->text] = read_snapshot({report, environment}, *snapshot);
  }
  auto errors = report.take_errors();
  if (!errors.empty()) return fail(ErrorKind::config, render(errors));
  return found;
}

}  // namespace tidemark::config
