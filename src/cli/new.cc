// tidemark new: writes a project from a pack, or for the tables of a Postgres. The packs are in the program
// (base/resource.h).
#include "base/resource.h"
#include "cli/output.h"
#include "cli/pack.h"
#include "cli/project_from_postgres.h"
#include "cli/verb.h"
#include "postgres/connection.h"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fstream>
#include <set>
#include <system_error>

namespace tidemark::cli {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> pack_names() {
  std::set<std::string> names;
  for (std::string_view name : resources("packs/")) {
    std::string_view rest = name.substr(6);
    if (size_t slash = rest.find('/'); slash != std::string_view::npos) names.emplace(rest.substr(0, slash));
  }
  return {names.begin(), names.end()};
}

// The first sentence of a pack's README after its title.
std::string description_of(const std::string& pack) {
  std::string_view text = resource("packs/" + pack + "/README.md").value_or("");
  std::string sentence;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.starts_with('#')) continue;
    if (line.empty() && !sentence.empty()) break;
    if (!line.empty()) sentence += (sentence.empty() ? "" : " ") + std::string(line);
  }
  size_t end = sentence.find(". ");
  return end == std::string::npos ? sentence : sentence.substr(0, end);
}

void list_packs(bool json) {
  std::string text;
  for (const std::string& pack : pack_names()) {
    if (json)
      text += fmt::format("{}{{\"pack\":{},\"description\":{}}}", text.empty() ? "" : ",", json_quoted(pack),
                          json_quoted(description_of(pack)));
    else
      text += fmt::format("{:<14}{}\n", pack, description_of(pack));
  }
  print_out(json ? "{\"packs\":[" + text + "]}\n" : text);
}

Status write_file(const fs::path& path, std::string_view bytes) {
  std::error_code failure;
  fs::create_directories(path.parent_path(), failure);
  if (failure)
    return fail(ErrorKind::refused,
                fmt::format("cannot make {}: {}", path.parent_path().string(), failure.message()));
  std::ofstream stream(path, std::ios::binary);
  stream.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  stream.close();
  if (!stream)
    return fail(ErrorKind::refused, fmt::format("cannot write {}", path.string()),
                "Check the right to write there, and the space on the disk.");
  return {};
}

constexpr std::string_view demo_folder = "demo/";
// The warehouse's data and passwords do not belong under version control.
constexpr std::string_view ignored_files = "/data/\n/.tidemark/\n";

Status must_be_new(const fs::path& directory) {
  std::error_code failure;
  if (!fs::exists(directory, failure)) return {};
  if (!fs::is_directory(directory, failure))
    return fail(ErrorKind::conflict, fmt::format("{} is a file", directory.string()),
                "Name another directory.");
  if (!fs::is_empty(directory, failure) || failure)
    return fail(ErrorKind::conflict, fmt::format("{} is not empty", directory.string()),
                "Name a new directory; nothing was written.");
  return {};
}

}  // namespace

Result<std::vector<std::string>> write_pack(const std::string& pack, const fs::path& directory) {
  TRY_VOID(must_be_new(directory));
  std::string prefix = "packs/" + pack + "/";
  std::vector<std::string> files;
  for (std::string_view name : resources(prefix)) {
    std::string file(name.substr(prefix.size()));
    if (file.starts_with(demo_folder)) continue;
    TRY_VOID(write_file(directory / file, *resource(name)));
    files.push_back(std::move(file));
  }
  if (!resource(prefix + ".gitignore")) {
    TRY_VOID(write_file(directory / ".gitignore", ignored_files));
    files.emplace_back(".gitignore");
  }
  return files;
}

Result<std::vector<std::string>> write_demo(const std::string& pack, const fs::path& directory) {
  std::vector<std::string> files = TRY(write_pack(pack, directory));
  std::string prefix = fmt::format("packs/{}/{}", pack, demo_folder);
  for (std::string_view name : resources(prefix))
    TRY_VOID(write_file(directory / name.substr(prefix.size()), *resource(name)));
  return files;
}

namespace {

std::string variables_needed(const fs::path& directory) {
  config::LoadedProject loaded = config::load_project(directory, {.offline = true});
  std::set<std::string> names;
  for (const config::Diagnostic& warning : loaded.warnings) {
    constexpr std::string_view begin = "the environment variable ";
    if (warning.message.starts_with(begin))
      names.insert(
          warning.message.substr(begin.size(), warning.message.find(' ', begin.size()) - begin.size()));
  }
  std::string text;
  for (const std::string& name : names) text += fmt::format("  export {}=...\n", name);
  return text;
}

struct Options {
  std::string pack;
  std::string directory;
  std::string from;
  bool list = false;
};

constexpr const char* url_variable = "DATABASE_URL";

Result<ExitCode> write_from_postgres(const Options& options, bool json) {
  if (!options.directory.empty())
    return fail(ErrorKind::usage, "a project is of a pack or of a database",
                "For example: tidemark new --from \"$DATABASE_URL\" my-project");
  auto connection =
      TRY(postgres::Connection::open({.url = options.from, .application_name = "tidemark new"}));
  auto database = TRY(connection.query("SELECT current_database()"));
  std::string name = identifier_from(database.at(0, 0));
  fs::path directory = options.pack.empty() ? name : options.pack;
  TRY_VOID(must_be_new(directory));
  auto draft = TRY(draft_project(name, url_variable, TRY(postgres::read_tables(connection, {"*.*"}))));
  draft.files.emplace_back(".gitignore", ignored_files);
  std::string list, text;
  for (const auto& [file, bytes] : draft.files) {
    TRY_VOID(write_file(directory / file, bytes));
    list += (list.empty() ? "" : ",") + json_quoted(file);
  }
  std::string left_out;
  for (const auto& [table, why] : draft.left_out) {
    left_out += fmt::format("{}{{\"table\":{},\"reason\":{}}}", left_out.empty() ? "" : ",",
                            json_quoted(table), json_quoted(why));
    text += fmt::format("Left out: {} ({}).\n", table, why);
  }
  if (json) {
    print_out(fmt::format(
        "{{\"database\":{},\"directory\":{},\"tables\":{},\"left_out\":[{}],\"files\":[{}]}}\n",
        json_quoted(database.at(0, 0)), json_quoted(fs::absolute(directory).lexically_normal().string()),
        draft.tables, left_out, list));
    return ExitCode::ok;
  }
  const char* known = std::getenv(url_variable);
  print_out(fmt::format(
      "Wrote {} to {}: {} of {}, and a dashboard.\n{}\nNext:\n  cd {}\n{}  tidemark doctor\n  tidemark up\n",
      counted(draft.files.size(), "file"), directory.string(), counted(draft.tables, "table"),
      postgres::display_url(options.from), text, directory.string(),
      known != nullptr && options.from == known
          ? ""
          : fmt::format("  export {}=...   # the url you gave\n", url_variable)));
  return ExitCode::ok;
}

}  // namespace

Run add_new(CLI::App& command) {
  auto options = std::make_shared<Options>();
  command.add_option("pack", options->pack, "which pack; see --list");
  command.add_option("directory", options->directory,
                     "where to write it, new or empty (default: the pack's name)");
  command.add_option("--from", options->from,
                     "the url of a Postgres: a project for the tables it has, instead of a pack");
  command.add_flag("--list", options->list, "show the packs");
  return [options](const Invocation& invocation) -> Result<ExitCode> {
    std::vector<std::string> packs = pack_names();
    if (options->list) {
      list_packs(invocation.json);
      return ExitCode::ok;
    }
    if (!options->from.empty()) return write_from_postgres(*options, invocation.json);
    if (options->pack.empty())
      return fail(
          ErrorKind::usage, "a pack is missing",
          fmt::format("For example: tidemark new adtech my-project. Packs: {}.", fmt::join(packs, ", ")));
    if (std::find(packs.begin(), packs.end(), options->pack) == packs.end())
      return fail(
          ErrorKind::usage,
          fmt::format("there is no pack `{}`{}", options->pack, config::did_you_mean(options->pack, packs)),
          fmt::format("Packs: {}.", fmt::join(packs, ", ")));
    fs::path directory = options->directory.empty() ? options->pack : options->directory;
    std::vector<std::string> files = TRY(write_pack(options->pack, directory));
    if (invocation.json) {
      std::string list;
      for (const std::string& file : files) list += (list.empty() ? "" : ",") + json_quoted(file);
      print_out(fmt::format("{{\"pack\":{},\"directory\":{},\"files\":[{}]}}\n", json_quoted(options->pack),
                            json_quoted(fs::absolute(directory).lexically_normal().string()), list));
      return ExitCode::ok;
    }
    print_out(fmt::format("Wrote {} to {}.\n\nNext:\n  cd {}\n{}  tidemark check\n  tidemark up\n",
                          counted(files.size(), "file"), directory.string(), directory.string(),
                          variables_needed(directory)));
    return ExitCode::ok;
  };
}

}  // namespace tidemark::cli
