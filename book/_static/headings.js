// The search page finds pages by their words; this puts the headings with those words before them, questions first.
(() => {
  const words = Search._performSearch;
  Search._performSearch = (query, terms, ...rest) => {
    const { alltitles, docnames, filenames, titles } = Search._index, stemmer = new Stemmer(), asked = [...terms];
    const found = [];
    for (const [title, places] of Object.entries(alltitles)) {
      const said = new Set(splitQuery(title.toLowerCase()).flatMap((word) => [word, stemmer.stemWord(word)]));
      const share = asked.filter((term) => said.has(term)).length / asked.length;
      if (!(share === 1 || (asked.length > 2 && share > 0.6))) continue;
      for (const [file, id] of places) {
        const score = 100 * share + (docnames[file] === "book/questions" ? 20 : 0) + 10 * asked.length / said.size;
        const name = titles[file] === title ? title : `${titles[file]} > ${title}`;
        found.push([docnames[file], name, id ? `#${id}` : "", null, score, filenames[file]]);
      }
    }
    found.sort((a, b) => a[4] - b[4]); // the last is shown first
    const seen = new Set(found.map((hit) => hit[0] + hit[2]));
    return [...words(query, terms, ...rest).filter((hit) => !seen.has(hit[0] + hit[2])), ...found];
  };
})();
