f(self.__WB_MANIFEST);
g(self.__WB_MANIFEST);
