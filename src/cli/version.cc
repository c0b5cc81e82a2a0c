// tidemark version: what this program is made of.
#include "cli/output.h"
#include "cli/verb.h"
#include "clickhouse/embedded_server.h"

#include <CLI/CLI.hpp>
#include <commit.h>
#include <fmt/format.h>
#include <fstream>
#include <iterator>

namespace tidemark::cli {
namespace {

// Asking the library itself means starting a server; its package says it at once. Empty: installed without
// one.
std::string clickhouse_library_version(const std::filesystem::path& library) {
  std::ifstream stream(library.parent_path() / "package.json");
  std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  constexpr std::string_view key = "\"version\": \"";
  size_t begin = text.find(key);
  if (begin == std::string::npos) return "";
  begin += key.size();
  return text.substr(begin, text.find('"', begin) - begin);
}

}  // namespace

Run add_version(CLI::App&) {
  return [](const Invocation& invocation) -> Result<ExitCode> {
    auto library = clickhouse::EmbeddedServer::find_library(invocation.program);
    std::string clickhouse = library ? clickhouse_library_version(*library) : "";
    if (invocation.json) {
      print_out(fmt::format(
          "{{\"version\":{},\"commit\":{},\"compiler\":{},\"clickhouse\":{},\"clickhouse_library\":{}}}\n",
          json_quoted(TIDEMARK_VERSION), json_quoted(TIDEMARK_COMMIT), json_quoted(__VERSION__),
          clickhouse.empty() ? "null" : json_quoted(clickhouse),
          library ? json_quoted(library->string()) : "null"));
      return ExitCode::ok;
    }
    print_out(fmt::format("tidemark {} ({})\n", TIDEMARK_VERSION, TIDEMARK_COMMIT));
    if (library)
      print_out(fmt::format("clickhouse {} ({})\n", clickhouse.empty() ? "of unknown version" : clickhouse,
                            library->string()));
    else
      print_out("clickhouse: no libchdb.so found; only a warehouse of your own can be used\n");
    return ExitCode::ok;
  };
}

}  // namespace tidemark::cli
