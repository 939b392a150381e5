from setuptools import Extension, setup

setup(ext_modules=[Extension("native", ["native.c"])])
