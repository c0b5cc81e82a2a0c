#include "config/project.h"

#include "config/alert_reader.h"
#include "config/destination_reader.h"
#include "config/loading.h"

#include <fmt/format.h>
#include <functional>
#include <set>
#include <system_error>

namespace tidemark::config {
namespace {

using std::filesystem::path;

// Segments, metrics and experiments are read by the rooms that know their language
// (segments/segment_files.h, experiments/experiment_files.h).
const std::vector<std::string> all_folders = {"sources",   "models",   "dictionaries", "dashboards",
                                              "endpoints", "segments", "destinations", "experiments",
                                              "metrics",   "audits",   "alerts"};
const std::vector<std::string> other_folders = {"data", "schema", "docs", "test", "tests", "scripts"};

bool is_hidden_or_backup(const std::string& name) {
  return name.starts_with('.') || name.ends_with('~') || name.starts_with('#');
}

class Loader {
 public:
  Loader(const path& root, const LoadOptions& options)
      : report_(root), environment_(options.offline), reader_{report_, environment_} {
    project_.root = root;
    project_.warehouse.where = EmbeddedWarehouse{.data = root / "data"};
  }

  LoadedProject load() {
    if (find_settings()) {
      load_settings(reader_, "tidemark.yaml", project_);
      std::vector<WebhookSource> webhooks;
      load_folder("sources", {".yaml", ".yml"}, [&](Reader reader, const path& file, Project& project) {
        load_source(reader, file, project, webhooks);
      });
      load_folder("models", {".sql"}, load_model);
      load_folder("audits", {".sql"}, load_audit);
      load_folder("dictionaries", {".yaml", ".yml"}, load_dictionary);
      load_folder("dashboards", {".yaml", ".yml"}, load_dashboard);
      load_folder("endpoints", {".sql"}, load_endpoint);
      std::vector<Destination> destinations;
      load_folder("destinations", {".yaml", ".yml"}, [&](Reader reader, const path& file, Project&) {
        load_destination(reader, file, destinations);
      });
      check_destinations(report_, destinations);
      look_at_other_folders();
      give_tokens_to_events(report_, project_);
      check_project(report_, project_, webhooks);
      std::vector<Alert> alerts;
      load_folder("alerts", {".yaml", ".yml"},
                  [&](Reader reader, const path& file, Project&) { load_alert(reader, file, alerts); });
      check_alerts(report_, project_, webhooks, destinations, alerts);
    }
    return {std::move(project_), report_.take_errors(), report_.take_warnings()};
  }

 private:
  using Load = std::function<void(Reader, const path&, Project&)>;

  bool find_settings() {
    std::error_code ignored;
    const path& root = report_.root();
    if (!std::filesystem::is_directory(root, ignored)) {
      report_.error({root}, "there is no such directory", "Name a project with --project DIR.");
      return false;
    }
    if (std::filesystem::exists(root / "tidemark.yaml", ignored)) return true;
    if (std::filesystem::exists(root / "tidemark.yml", ignored))
      report_.error({"tidemark.yml"}, "the project's file is called tidemark.yaml",
                    "Rename it: mv tidemark.yml tidemark.yaml");
    else
      report_.error({root / "tidemark.yaml"}, "there is no project here: tidemark.yaml is missing",
                    "Make one with `tidemark new adtech my-project`, or name one with --project DIR.");
    return false;
  }

  // Files below `folder`, relative to the root, sorted; directories that begin with a dot are not entered.
  std::vector<path> files_below(const path& folder) {
    std::vector<path> files;
    std::error_code failure;
    auto options = std::filesystem::directory_options::follow_directory_symlink;
    std::filesystem::recursive_directory_iterator entry(report_.root() / folder, options, failure), end;
    for (; !failure && entry != end; entry.increment(failure)) {
      bool hidden = is_hidden_or_backup(entry->path().filename().string());
      std::error_code ignored;
      if (entry->is_directory(ignored)) {
        // deeper than any file may lie; also ends loops of symbolic links
        if (hidden || entry.depth() > 4) entry.disable_recursion_pending();
      } else if (!hidden) {
        files.push_back(entry->path().lexically_relative(report_.root()));
      }
    }
    if (failure) report_.error({folder}, "cannot list the folder: " + failure.message());
    std::sort(files.begin(), files.end());
    return files;
  }

  void load_folder(const path& folder, const std::vector<std::string>& extensions, const Load& load) {
    std::error_code ignored;
    if (!std::filesystem::exists(report_.root() / folder, ignored)) return;
    if (!std::filesystem::is_directory(report_.root() / folder, ignored)) {
      report_.error({folder}, "this must be a folder");
      return;
    }
    for (const path& file : files_below(folder)) {
      std::string extension = file.extension().string();
      if (std::find(extensions.begin(), extensions.end(), extension) != extensions.end()) {
        if (folder != "models" && file.parent_path() != folder)
          report_.error({file}, fmt::format("files of {} lie directly in that folder", folder.string()),
                        fmt::format("Move it to {}.", (folder / file.filename()).string()));
        else
          load(reader_, file, project_);
      } else if (extension != ".md" && extension != ".txt") {
        report_.warning({file}, "the file is not read",
                        fmt::format("Files of {} end in {}.", folder.string(), extensions[0]));
      }
    }
  }

  void look_at_other_folders() {
    std::error_code failure;
    std::set<path> entries;  // sorted, for stable output
    for (std::filesystem::directory_iterator entry(report_.root(), failure), end; !failure && entry != end;
         entry.increment(failure)) {
      std::error_code ignored;
      if (entry->is_directory(ignored)) entries.insert(entry->path().filename());
    }
    for (const path& entry : entries) {
      std::string name = entry.string();
      bool known = std::find(all_folders.begin(), all_folders.end(), name) != all_folders.end() ||
                   std::find(other_folders.begin(), other_folders.end(), name) != other_folders.end();
      std::string meant = known ? "" : nearest(name, all_folders);
      if (!meant.empty())
        report_.warning({entry}, fmt::format("the folder is not read (did you mean `{}`?)", meant),
                        fmt::format("Rename it, or keep it: it only looks like `{}`.", meant));
    }
  }

  Report report_;
  Environment environment_;
  Reader reader_;
  Project project_;
};

}  // namespace

LoadedProject load_project(const path& directory, const LoadOptions& options) {
  std::error_code failure;
  path root = std::filesystem::absolute(directory, failure).lexically_normal();
  if (failure) root = directory;
  if (!root.has_filename()) root = root.parent_path();
  return Loader(root, options).load();
}

}  // namespace tidemark::config
