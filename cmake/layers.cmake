# One static library per layer: cluster_layer(replog LINK cluster::runtime PRIVATE lmdb) takes every .cpp
# of its folder. Targets are cluster_<name>, with the alias cluster::<name>.

add_library(cluster_options INTERFACE)
add_library(cluster::options ALIAS cluster_options)
target_compile_features(cluster_options INTERFACE cxx_std_20)
target_compile_definitions(cluster_options INTERFACE
  $<BUILD_INTERFACE:_GLIBCXX_ASSERTIONS>)
target_compile_options(cluster_options INTERFACE
  $<BUILD_INTERFACE:-Wall;-Wextra;-Wpedantic;-Wshadow;-Wconversion;-Wno-mismatched-new-delete;-Wno-restrict;-Wno-missing-field-initializers>
  $<$<BOOL:${CLUSTER_WERROR}>:$<BUILD_INTERFACE:-Werror>>)
if(CLUSTER_SANITIZE)
  add_compile_options(-fsanitize=${CLUSTER_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${CLUSTER_SANITIZE})
  if(CLUSTER_SANITIZE MATCHES thread)
    add_compile_options(-Wno-tsan)
  endif()
endif()

# gcc 12 sees uninitialised variants where instrumented, or fully optimised, code has none.
if(CLUSTER_SANITIZE OR CMAKE_BUILD_TYPE STREQUAL "Release")
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-Wno-maybe-uninitialized>)
endif()

find_program(CLUSTER_MOLD mold)
if(CLUSTER_MOLD AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_link_options(-fuse-ld=mold)
endif()
find_program(CLUSTER_CCACHE ccache)
if(CLUSTER_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # What ccache must be told before it caches a file that uses a precompiled header.
  set(CMAKE_CXX_COMPILER_LAUNCHER env CCACHE_SLOPPINESS=pch_defines,time_macros ${CLUSTER_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${CLUSTER_CCACHE})
endif()
include(${CMAKE_CURRENT_LIST_DIR}/precompiled.cmake)

function(cluster_layer name)
  cmake_parse_arguments(ARG "" "" "LINK;PRIVATE;EXCLUDE" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  foreach(excluded IN LISTS ARG_EXCLUDE)
    list(REMOVE_ITEM sources ${CMAKE_CURRENT_SOURCE_DIR}/${excluded})
  endforeach()
  add_library(cluster_${name} STATIC ${sources})
  add_library(cluster::${name} ALIAS cluster_${name})
  set_target_properties(cluster_${name} PROPERTIES EXPORT_NAME ${name} POSITION_INDEPENDENT_CODE ON)
  target_include_directories(cluster_${name} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_link_libraries(cluster_${name} PUBLIC cluster_options ${ARG_LINK} PRIVATE ${ARG_PRIVATE})
  cluster_precompiled(cluster_${name} cluster_precompiled_library)
  set_property(GLOBAL APPEND PROPERTY CLUSTER_LAYERS cluster_${name})
endfunction()
