# The standard library is parsed once for all libraries, and once more, with Catch2, for all tests: more
# than a third of a clean build. No header of ours is in it, and nothing may rely on it: each file
# includes what it uses, which the release preset (CLUSTER_PRECOMPILE is off there) proves.
option(CLUSTER_PRECOMPILE "Parse the standard library once, as a precompiled header"
       ${PROJECT_IS_TOP_LEVEL})
set(CLUSTER_PRECOMPILED_HEADERS
  <algorithm> <array> <atomic> <cerrno> <charconv> <chrono> <cmath> <compare> <condition_variable>
  <cstddef> <cstdint> <cstdio> <cstdlib> <cstring> <deque> <filesystem> <fstream> <functional>
  <limits> <map> <memory> <mutex> <optional> <set> <span> <sstream> <string> <string_view> <thread>
  <tuple> <type_traits> <unordered_map> <utility> <variant> <vector>)

if(CLUSTER_PRECOMPILE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # For ccache, which reads the preprocessor's output.
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)
endif()

# cluster_precompile(NAME [PIC] [LINK ...] [HEADERS ...]): the target NAME, whose header others use.
function(cluster_precompile name)
  cmake_parse_arguments(ARG "PIC" "" "LINK;HEADERS" ${ARGN})
  if(NOT CLUSTER_PRECOMPILE)
    return()
  endif()
  add_library(${name} OBJECT ${PROJECT_SOURCE_DIR}/cmake/precompiled.cpp)
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE ${ARG_PIC})
  target_link_libraries(${name} PRIVATE cluster_options ${ARG_LINK})
  target_precompile_headers(${name} PRIVATE ${CLUSTER_PRECOMPILED_HEADERS} ${ARG_HEADERS})
endfunction()

# cluster_precompiled(TARGET BY): the target, compiled with the same flags as BY, uses its header.
function(cluster_precompiled target by)
  if(CLUSTER_PRECOMPILE)
    target_precompile_headers(${target} REUSE_FROM ${by})
  endif()
endfunction()

cluster_precompile(cluster_precompiled_library PIC)
