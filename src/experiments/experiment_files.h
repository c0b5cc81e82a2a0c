// The folders metrics/ and experiments/ of a project: every file a definition, and what can be seen with all
// of them at hand (names used twice, metrics that do not exist). Offline.
#pragma once

#include "config/environment.h"
#include "config/project.h"
#include "experiments/definition.h"

#include <filesystem>
#include <string>
#include <vector>

namespace tidemark::experiments {

struct ExperimentFiles {
  std::vector<Metric> metrics;          // by file name
  std::vector<Experiment> experiments;  // by file name
  std::vector<config::Diagnostic> errors;

  const Metric* metric(const std::string& name) const;
  const Experiment* experiment(const std::string& name) const;
  std::vector<std::string> experiment_names() const;
};

// `offline`: variables that are not set are passed over, as when the rest of the project is loaded offline.
ExperimentFiles load_experiments(const std::filesystem::path& project, bool offline);
// The same of texts, for tests: file name (metrics/x.yaml) and text.
ExperimentFiles read_experiments(const std::vector<std::pair<std::string, std::string>>& files);

}  // namespace tidemark::experiments
