# The packs (packs/<name>/) are part of the program: `tidemark new` writes them out.
include(cmake/embed.cmake)
tidemark_embed(packs ${CMAKE_SOURCE_DIR}/packs)
foreach(program tidemark tidemark_cli_test)
  if(TARGET ${program})
    target_link_libraries(${program} PRIVATE tidemark_embedded_packs)
  endif()
endforeach()
