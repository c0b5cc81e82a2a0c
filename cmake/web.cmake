# The page (web/): built by Vite when a file of it changed, compressed, and put into the binary, where serve/page.cc finds
# it. Needs the npm packages of package-lock.json; scripts/setup installs them.
include(cmake/embed.cmake)

set(TIDEMARK_PAGE ${CMAKE_BINARY_DIR}/generated/page)
set(TIDEMARK_VITE ${CMAKE_SOURCE_DIR}/node_modules/vite/bin/vite.js)
find_program(NODE node)
file(GLOB_RECURSE page_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/web/*)

if(NODE AND EXISTS ${TIDEMARK_VITE} AND page_sources)
  add_custom_command(
    OUTPUT ${TIDEMARK_PAGE}.stamp
    COMMAND ${NODE} ${TIDEMARK_VITE} build ${CMAKE_SOURCE_DIR}/web --outDir ${TIDEMARK_PAGE} --emptyOutDir --logLevel warn
    COMMAND ${NODE} ${CMAKE_SOURCE_DIR}/web/compress.mjs ${TIDEMARK_PAGE}
    COMMAND ${CMAKE_COMMAND} -E touch ${TIDEMARK_PAGE}.stamp
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}
    DEPENDS ${page_sources} ${CMAKE_SOURCE_DIR}/package-lock.json
    COMMENT "Building the page")
  tidemark_embed(web ${TIDEMARK_PAGE} DEPENDS ${TIDEMARK_PAGE}.stamp)
  foreach(program tidemark tidemark_serve_test)
    if(TARGET ${program})
      target_link_libraries(${program} PRIVATE tidemark_embedded_web)
    endif()
  endforeach()
else()
  message(WARNING "The page is left out of the program: node or its packages are missing. Run scripts/setup.")
endif()
