# Puts a folder's files into the program. tidemark_embed(NAME DIRECTORY [DEPENDS ...]) makes the object library
# tidemark_embedded_NAME whose files are found by tidemark::resource("NAME/<path>") (src/base/resource.h) in whatever
# links it. The folder is listed when the build runs, so it may itself be built; DEPENDS says on what then. Without
# DEPENDS every file of the folder is a dependency.
#
# The bytes come in by the assembler's .incbin, which needs no time however large they are.
if(CMAKE_SCRIPT_MODE_FILE)
  file(GLOB_RECURSE files RELATIVE ${DIRECTORY} ${DIRECTORY}/*)
  list(SORT files)
  set(assembly "")
  set(declarations "")
  set(entries "")
  set(count 0)
  foreach(file IN LISTS files)
    set(symbol "tidemark_${NAME}_${count}")
    # one zero byte after each file: text can be handed to C functions, and an empty file still has an address
    string(APPEND assembly "    \".global ${symbol}_begin, ${symbol}_end\\n${symbol}_begin:\\n.incbin \\\"${DIRECTORY}/${file}\\\"\\n${symbol}_end:\\n.byte 0\\n\"\n")
    string(APPEND declarations "extern const char ${symbol}_begin[], ${symbol}_end[];\n")
    string(APPEND entries "    {\"${NAME}/${file}\", ${symbol}_begin, ${symbol}_end},\n")
    math(EXPR count "${count} + 1")
  endforeach()
  file(WRITE ${OUTPUT} "// Generated from the files of ${NAME}; see cmake/embed.cmake.
#include \"base/resource.h\"

asm(\".pushsection .rodata\\n\"
${assembly}    \".popsection\\n\");

extern \"C\" {
${declarations}}

namespace {
const tidemark::Resource table[] = {
${entries}    {\"\", nullptr, nullptr},
};
[[maybe_unused]] const bool registered = tidemark::register_resources(table, ${count});
}  // namespace
")
  return()
endif()

set(TIDEMARK_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_FILE})

function(tidemark_embed name directory)
  cmake_parse_arguments(EMBED "" "" "DEPENDS" ${ARGN})
  if(NOT EMBED_DEPENDS)
    file(GLOB_RECURSE EMBED_DEPENDS CONFIGURE_DEPENDS ${directory}/*)
  endif()
  set(output ${CMAKE_BINARY_DIR}/generated/embedded_${name}.cc)
  add_custom_command(
    OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -DNAME=${name} -DDIRECTORY=${directory} -DOUTPUT=${output} -P ${TIDEMARK_EMBED_SCRIPT}
    DEPENDS ${EMBED_DEPENDS} ${TIDEMARK_EMBED_SCRIPT}
    COMMENT "Embedding ${name}")
  add_library(tidemark_embedded_${name} OBJECT ${output})
  target_link_libraries(tidemark_embedded_${name} PRIVATE tidemark_base)
endfunction()
