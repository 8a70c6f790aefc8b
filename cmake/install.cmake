# `cmake --install` and the exported package: find_package(cluster), then link cluster::replog and the
# like. Public headers only; what the libraries themselves need is found by clusterConfig.cmake.
include(CMakePackageConfigHelpers)

get_property(layers GLOBAL PROPERTY CLUSTER_LAYERS)
set_target_properties(cluster_options PROPERTIES EXPORT_NAME options)
if(CLUSTER_SANITIZE)
  # Sanitized libraries can only be linked into a sanitized program.
  target_link_options(cluster_options INTERFACE
    $<INSTALL_INTERFACE:-fsanitize=${CLUSTER_SANITIZE}>)
endif()
install(TARGETS cluster_options ${layers} EXPORT clusterTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/cluster DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  COMPONENT development FILES_MATCHING PATTERN "*.hpp" PATTERN "*.h")

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/cluster)
install(EXPORT clusterTargets NAMESPACE cluster:: DESTINATION ${package_dir} COMPONENT development)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/clusterConfig.cmake.in
  ${PROJECT_BINARY_DIR}/clusterConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/clusterConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)  # Before 1.0 a minor version may change a face.
install(FILES ${PROJECT_BINARY_DIR}/clusterConfig.cmake
  ${PROJECT_BINARY_DIR}/clusterConfigVersion.cmake
  DESTINATION ${package_dir} COMPONENT development)

# The programs install themselves, each in its own CMakeLists.txt.
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR}
  COMPONENT development)
