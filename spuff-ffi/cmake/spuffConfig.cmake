# find_package(spuff) gives the targets spuff::spuff, the shared library, and spuff::static.
include(CMakeFindDependencyMacro)
find_dependency(Threads)

get_filename_component(_spuff_prefix "${CMAKE_CURRENT_LIST_DIR}/../.." ABSOLUTE)
find_path(_spuff_include spuff.h PATHS "${_spuff_prefix}/include" NO_DEFAULT_PATH NO_CACHE)
foreach(_spuff_kind shared static)
  set(_spuff_suffix "${CMAKE_SHARED_LIBRARY_SUFFIX}")
  if(_spuff_kind STREQUAL static)
    set(_spuff_suffix "${CMAKE_STATIC_LIBRARY_SUFFIX}")
  endif()
  find_library(
    _spuff_${_spuff_kind} "libspuff${_spuff_suffix}"
    PATHS "${_spuff_prefix}/lib"
    PATH_SUFFIXES "${CMAKE_LIBRARY_ARCHITECTURE}"
    NO_DEFAULT_PATH NO_CACHE)
endforeach()

set(spuff_FOUND FALSE)
if(_spuff_include AND _spuff_shared)
  set(spuff_FOUND TRUE)
  if(NOT TARGET spuff::spuff)
    add_library(spuff::spuff SHARED IMPORTED)
    set_target_properties(
      spuff::spuff PROPERTIES
      IMPORTED_LOCATION "${_spuff_shared}"
      INTERFACE_INCLUDE_DIRECTORIES "${_spuff_include}")
  endif()
  if(_spuff_static AND NOT TARGET spuff::static)
    add_library(spuff::static STATIC IMPORTED)
    set_target_properties(
      spuff::static PROPERTIES
      IMPORTED_LOCATION "${_spuff_static}"
      INTERFACE_INCLUDE_DIRECTORIES "${_spuff_include}"
      INTERFACE_LINK_LIBRARIES "Threads::Threads;m;${CMAKE_DL_LIBS}")
  endif()
else()
  set(spuff_NOT_FOUND_MESSAGE "spuff.h or libspuff is missing below ${_spuff_prefix}")
endif()
