// tidemark load: files into tables that people INSERT into (docs/INSERTS.md). What was killed goes on where
// it was; what was loaded is not loaded again.
#include "cli/load_verb.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "cli/table.h"
#include "cli/warehouse_access.h"
#include "ingest/file_load.h"

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

namespace tidemark::cli {
namespace {

namespace json = boost::json;

struct Choice {
  std::vector<std::string> files;
  std::string into;
  std::string format;
  std::vector<std::string> constants, nulls;
  std::string document_column, identity_column;
  bool ignore_unknown = false, again = false;
};

Result<const config::InsertTable*> find_table(const config::Project& project, const std::string& name) {
  std::string known;
  for (const auto& table : project.insert_tables) {
    if (table.full_name() == name) return &table;
    known += (known.empty() ? "" : ", ") + table.full_name();
  }
  return fail(ErrorKind::usage, fmt::format("there is no table {} to load into", name),
              known.empty() ? "Declare one under `inserts` in sources/<name>.yaml (docs/INSERTS.md)."
                            : "There are: " + known);
}

Result<ingest::FileFormat> format_named(const std::string& word, const std::string& file) {
  using ingest::FileFormat;
  const std::map<std::string, FileFormat> formats = {{"ndjson", FileFormat::ndjson},
                                                     {"json", FileFormat::json},
                                                     {"csv", FileFormat::csv},
                                                     {"tsv", FileFormat::tsv},
                                                     {"parquet", FileFormat::parquet}};
  if (word.empty()) return ingest::format_of(file);
  auto found = formats.find(word);
  if (found == formats.end())
    return fail(ErrorKind::usage, fmt::format("--format cannot be `{}`", word),
                "It is ndjson, json, csv, tsv or parquet.");
  return found->second;
}

Result<ingest::LoadRequest> request_of(const Choice& choice, const config::Project& project,
                                       const std::string& file) {
  ingest::LoadRequest request{.file = file, .table = TRY(find_table(project, choice.into))};
  request.records = {.format = TRY(format_named(choice.format, file)), .nulls = choice.nulls};
  request.document_column = choice.document_column;
  request.identity_column = choice.identity_column;
  request.ignore_unknown_fields = choice.ignore_unknown;
  request.again = choice.again;
  for (const std::string& constant : choice.constants) {
    size_t equals = constant.find('=');
    if (equals == std::string::npos || equals == 0)
      return fail(ErrorKind::usage, fmt::format("--set needs column=value, not `{}`", constant));
    request.constants[constant.substr(0, equals)] = constant.substr(equals + 1);
  }
  request.server_reads_files = project.warehouse.embedded() != nullptr;
  return request;
}

// Made by the project when it runs for the first time.
Status check_table(clickhouse::ClientPool& pool, const config::InsertTable& table) {
  clickhouse::QueryOptions options;
  options.parameters = {{"database", table.database}, {"table", table.table}};
  Block found = TRY(pool.query(
      "SELECT count() AS tables FROM system.tables WHERE (database = {database:String} AND name = "
      "{table:String}) OR (database = 'tidemark' AND name = concat('feed_', {database:String}, '_', "
      "{table:String}))",
      options));
  if (found.columns.front().get<uint64_t>(0) == 2) return {};
  return fail(ErrorKind::config, fmt::format("{} is not there yet", table.full_name()),
              "The project makes it when it runs: tidemark up");
}

Result<ExitCode> load_files(const Choice& choice, const Invocation& invocation) {
  Signals::block();
  config::Project project = TRY(invocation.load_project());
  std::vector<ingest::LoadRequest> requests;
  for (const std::string& file : choice.files) requests.push_back(TRY(request_of(choice, project, file)));
  WarehouseAccess warehouse = TRY(WarehouseAccess::open(project));
  clickhouse::ClientPool pool(warehouse.endpoint(clickhouse::Account::tidemark), 2);
  TRY_VOID(check_table(pool, *requests.front().table));
  std::atomic<bool> stop = false;
  json::array shown;
  bool empty_handed = false;
  for (const auto& request : requests) {
    std::error_code ignored;
    Progress progress("loading " + request.file.filename().string(), "bytes",
                      std::filesystem::file_size(request.file, ignored), Progress::mode_for(invocation.json));
    ingest::FileLoad load(pool, stop);
    auto result = load.run(request, [&](uint64_t bytes) {
      if (Signals::pending()) stop = true;
      progress.set(bytes);
    });
    progress.finish();
    if (!result) return fail(std::move(result.error()));
    empty_handed |= result->rows == 0 && result->quarantined > 0;
    shown.push_back(json::object{{"file", request.file.string()},
                                 {"into", choice.into},
                                 {"rows", result->rows},
                                 {"quarantined", result->quarantined},
                                 {"resumed_at", result->resumed_at},
                                 {"was_done", result->was_done}});
    if (invocation.json) continue;
    std::string text =
        fmt::format("{}: {} into {}", request.file.string(), counted(result->rows, "row"), choice.into);
    if (result->quarantined > 0)
      text += fmt::format(", {} in quarantine (tidemark deadletter list --quarantined)",
                          counted(result->quarantined, "record"));
    if (result->was_done)
      text += "; it was loaded before, nothing was done (--again loads it again)";
    else if (result->resumed_at > 0)
      text +=
          fmt::format("; {} were in from a load that was interrupted", counted(result->resumed_at, "record"));
    print_out(text + "\n");
  }
  if (invocation.json) print_out(json::serialize(json::object{{"files", std::move(shown)}}) + "\n");
  return empty_handed ? ExitCode::failed : ExitCode::ok;
}

}  // namespace

Run add_load(CLI::App& command) {
  auto choice = std::make_shared<Choice>();
  command.add_option("file", choice->files, "files; gzip and zstd are unpacked")->required();
  command.add_option("--into", choice->into, "database.table, one of `inserts`")->required();
  command.add_option("--format", choice->format,
                     "ndjson, json, csv, tsv or parquet (default: what the name says)");
  command.add_option("--set", choice->constants, "column=value, the same in every row");
  command.add_option("--document", choice->document_column, "this column gets the whole record as JSON");
  command.add_option("--id", choice->identity_column,
                     "this column gets the file's hash and the record's number");
  command.add_option("--null", choice->nulls, "a field of csv that says this is null, too: NaN");
  command.add_flag("--ignore-unknown", choice->ignore_unknown, "fields that are no columns are passed over");
  command.add_flag("--again", choice->again, "load it although it was loaded before");
  return [choice](const Invocation& invocation) { return load_files(*choice, invocation); };
}

}  // namespace tidemark::cli
