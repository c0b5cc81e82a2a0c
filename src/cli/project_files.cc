#include "cli/project_files.h"

#include <fstream>
#include <map>
#include <sstream>

namespace tidemark::cli {

std::string files_beside_models(const std::filesystem::path& root) {
  std::map<std::string, std::string> contents;
  auto read = [&](const std::filesystem::path& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    contents[path.string()] = text.str();
  };
  std::error_code ignored;
  for (const char* file : {"tidemark.yaml", ".env"}) read(root / file);
  for (const char* folder : {"sources", "dashboards", "endpoints", "dictionaries", "audits", "segments",
                             "destinations", "profiles", "metrics", "experiments", "alerts"})
    for (std::filesystem::recursive_directory_iterator entry(root / folder, ignored), end; entry != end;
         entry.increment(ignored)) {
      if (ignored) break;
      if (entry->is_regular_file(ignored)) read(entry->path());
    }
  std::string all;
  for (const auto& [path, text] : contents) all += path + "\n" + text + "\n";
  return all;
}

}  // namespace tidemark::cli
