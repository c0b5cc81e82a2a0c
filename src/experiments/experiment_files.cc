#include "experiments/experiment_files.h"

#include "experiments/definition_reader.h"
#include "experiments/experiments_limits.h"

#include <algorithm>
#include <fmt/format.h>

namespace tidemark::experiments {
namespace {

using std::filesystem::path;

std::vector<path> files_of(const path& project, const char* folder) {
  std::vector<path> files;
  std::error_code failure;
  for (std::filesystem::directory_iterator entry(project / folder, failure), end; !failure && entry != end;
       entry.increment(failure)) {
    path file = path(folder) / entry->path().filename();
    std::string extension = file.extension().string();
    if ((extension == ".yaml" || extension == ".yml") && !file.filename().string().starts_with('.'))
      files.push_back(file);
  }
  std::sort(files.begin(), files.end());
  return files;
}

class Loader {
 public:
  Loader(const path& root, bool offline) : report_(root), environment_(offline) {}

  config::Report& report() { return report_; }

  void add(const path& file, const std::string& text) {
    auto node = config::parse_yaml(report_, file, text);
    if (!node) return;
    if (file.parent_path().filename() == "metrics")
      keep(read_metric({report_, environment_}, *node), loaded_.metrics, "metric");
    else
      keep(read_experiment({report_, environment_}, *node), loaded_.experiments, "experiment");
  }

  ExperimentFiles finish() {
    if (loaded_.metrics.size() > limits::metrics_max)
      report_.error({"metrics"}, fmt::format("more than {} metrics", limits::metrics_max));
    if (loaded_.experiments.size() > limits::experiments_max)
      report_.error({"experiments"}, fmt::format("more than {} experiments", limits::experiments_max));
    std::vector<std::string> names;
    for (const Metric& metric : loaded_.metrics) names.push_back(metric.name);
    for (const Experiment& experiment : loaded_.experiments)
      for (const auto* uses : {&experiment.goals, &experiment.guardrails})
        for (const MetricUse& use : *uses)
          if (!use.metric.empty() && loaded_.metric(use.metric) == nullptr)
            report_.error(
                use.place,
                fmt::format("there is no metric `{}`{}", use.metric, config::did_you_mean(use.metric, names)),
                fmt::format("metrics/{}.yaml declares it.", use.metric));
    loaded_.errors = report_.take_errors();
    return std::move(loaded_);
  }

 private:
  template <class T>
  void keep(std::optional<T> read, std::vector<T>& list, const char* what) {
    if (!read || read->name.empty()) return;
    for (const T& other : list)
      if (other.name == read->name) {
        report_.error(
            read->place,
            fmt::format("the {} `{}` is declared already in {}", what, read->name, other.place.describe()),
            "Give one of them another name.");
        return;
      }
    list.push_back(std::move(*read));
  }

  config::Report report_;
  config::Environment environment_;
  ExperimentFiles loaded_;
};

}  // namespace

const Metric* ExperimentFiles::metric(const std::string& name) const {
  for (const Metric& metric : metrics)
    if (metric.name == name) return &metric;
  return nullptr;
}

const Experiment* ExperimentFiles::experiment(const std::string& name) const {
  for (const Experiment& experiment : experiments)
    if (experiment.name == name) return &experiment;
  return nullptr;
}

std::vector<std::string> ExperimentFiles::experiment_names() const {
  std::vector<std::string> names;
  for (const Experiment& experiment : experiments) names.push_back(experiment.name);
  return names;
}

ExperimentFiles load_experiments(const path& project, bool offline) {
  Loader loader(project, offline);
  for (const char* folder : {"metrics", "experiments"})
    for (const path& file : files_of(project, folder))
      if (auto text = loader.report().read(file)) loader.add(file, *text);
  return loader.finish();
}

ExperimentFiles read_experiments(const std::vector<std::pair<std::string, std::string>>& files) {
  Loader loader("", true);
  for (const auto& [file, text] : files) {
    loader.report().add_text(file, text);
    loader.add(file, text);
  }
  return loader.finish();
}

}  // namespace tidemark::experiments
