# generated/commit.h: the commit a binary was built from, looked up whenever the build runs and rewritten only when it
# changed. A source tree without git says "unknown".
if(CMAKE_SCRIPT_MODE_FILE)
  execute_process(COMMAND git -C ${SOURCE} rev-parse --short=12 HEAD OUTPUT_VARIABLE commit ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(NOT commit)
    set(commit unknown)
  endif()
  set(text "#pragma once\n#define TIDEMARK_COMMIT \"${commit}\"\n#define TIDEMARK_VERSION \"${VERSION}\"\n")
  set(before "")
  if(EXISTS ${OUTPUT})
    file(READ ${OUTPUT} before)
  endif()
  if(NOT before STREQUAL text)
    file(WRITE ${OUTPUT} "${text}")
  endif()
  return()
endif()

add_custom_target(tidemark_commit
  COMMAND ${CMAKE_COMMAND} -DSOURCE=${CMAKE_SOURCE_DIR} -DVERSION=${PROJECT_VERSION}
    -DOUTPUT=${CMAKE_BINARY_DIR}/generated/commit.h -P ${CMAKE_CURRENT_LIST_FILE}
  BYPRODUCTS ${CMAKE_BINARY_DIR}/generated/commit.h)
if(TARGET tidemark_cli)
  add_dependencies(tidemark_cli tidemark_commit)
endif()
