// Files that are part of the program: the packs and the page. cmake/embed.cmake puts the bytes of a folder
// into an object file; linking that object (tidemark_embedded_<name>) registers them here before main. Names
// are paths with the folder's name in front: "packs/adtech/tidemark.yaml". The bytes live as long as the
// process.
//
// Registration happens during static initialisation only; after that everything is read-only and thread-safe.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

namespace tidemark {

struct Resource {
  std::string_view name;
  const char* begin;
  const char* end;
};

std::optional<std::string_view> resource(std::string_view name);

// Names that start with `prefix`, sorted.
std::vector<std::string_view> resources(std::string_view prefix);

// Called by the generated objects. `table` must outlive the process's use of it.
bool register_resources(const Resource* table, size_t count);

}  // namespace tidemark
