#include "models/generation.h"

namespace tidemark::models {
namespace {

std::string stem(const CompiledModel& model, uint32_t generation) {
  std::string name = model.file.name + "__" + model.fingerprint.substr(0, 8);
  return generation == 0 ? name : fmt::format("{}_{}", name, generation);
}

// `from` as a whole name or with a suffix of ours behind it, inside backticks.
void rename(std::string& text, const std::string& from, const std::string& to) {
  size_t at = 0;
  while ((at = text.find("`" + from, at)) != std::string::npos) {
    size_t end = at + 1 + from.size();
    bool whole = text.compare(end, 1, "`") == 0 || text.compare(end, 2, "__") == 0;
    if (whole) text.replace(at + 1, from.size(), to);
    at += 1 + (whole ? to.size() : from.size());
  }
}

}  // namespace

void set_generation(CompiledModels& models, CompiledModel& model, uint32_t generation) {
  if (model.generation == generation || model.physical.empty()) return;
  // Names are quoted with backslashes before what needs them; identifiers of models need none.
  std::string from = stem(model, model.generation), to = stem(model, generation);
  for (auto& reader : models.models)
    for (auto* text : reader.statements()) rename(*text, from, to);
  model.generation = generation;
}

void adopt_generations(CompiledModels& models, const ModelState& state) {
  for (auto& model : models.models) {
    const ModelRecord* active = state.active(model.name);
    if (active != nullptr && active->fingerprint == model.fingerprint)
      set_generation(models, model, active->generation);
  }
}

}  // namespace tidemark::models
