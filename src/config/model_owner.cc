#include "config/model_owner.h"

#include "config/report.h"
#include "config/sql_file.h"

namespace tidemark::config {

std::string model_owner(const std::filesystem::path& root, const std::filesystem::path& file) {
  if (file.empty()) return {};
  Report unheard(root);
  auto text = unheard.read(file);
  if (!text) return {};
  for (const HeaderEntry& entry : parse_sql_file(unheard, file, *text).header)
    if (entry.key == "owner") return entry.value;
  return {};
}

}  // namespace tidemark::config
