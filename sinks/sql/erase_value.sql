${column} = if(${opened}['${column}'] = '${key}', '${erased}', ${column});
