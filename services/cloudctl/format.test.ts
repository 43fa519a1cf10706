// The shapes that scripts parse. The expected texts are what the original command line prints for the same data.

import { describe, expect, it } from 'vitest';
import { type FormatOptions, formatList, formatShow, Shown } from './format.ts';

const options = (format: string, more: Partial<FormatOptions> = {}): FormatOptions => ({
  format,
  columns: [],
  sort: [],
  descending: false,
  printEmpty: false,
  indent: true,
  quote: 'nonnumeric',
  prefix: '',
  ...more,
});

const table = {
  columns: ['ID', 'Name', 'RAM', 'Free', 'Networks', 'Tags'],
  rows: [
    ['1', 'm1 "tiny"', 512, null, new Shown({ private: '10.0.0.5' }, 'private=10.0.0.5'), ['a', 'b']],
    ['2', 'b,c', 16384, true, new Shown({}, ''), []],
  ],
};

const fields = {
  id: '7',
  name: 'it"s $x',
  'is:public': true,
  properties: new Shown({ k: 'v' }, 'k=v'),
  none: null,
  list: ['x', 'y'],
  text: 'two\nlines',
};

describe('a list', () => {
  it('as table: numbers to the right, everything else to the left', async () => {
    expect(await formatList(table, options('table'))).toBe(`\
+----+-----------+-------+------+------------------+------+
| ID | Name      |   RAM | Free | Networks         | Tags |
+----+-----------+-------+------+------------------+------+
| 1  | m1 "tiny" |   512 | None | private=10.0.0.5 | a, b |
| 2  | b,c       | 16384 | True |                  |      |
+----+-----------+-------+------+------------------+------+
`);
  });

  it('as json: an array with the column titles as keys, values as they are', async () => {
    expect(JSON.parse(await formatList(table, options('json')))).toEqual([
      { ID: '1', Name: 'm1 "tiny"', RAM: 512, Free: null, Networks: { private: '10.0.0.5' }, Tags: ['a', 'b'] },
      { ID: '2', Name: 'b,c', RAM: 16384, Free: true, Networks: {}, Tags: [] },
    ]);
    expect(await formatList({ columns: ['A'], rows: [[1]] }, options('json'))).toBe('[\n  {\n    "A": 1\n  }\n]\n');
    expect(await formatList({ columns: ['A'], rows: [[1]] }, options('json', { indent: false }))).toBe('[{"A":1}]\n');
  });

  it('as yaml', async () => {
    expect(await formatList(table, options('yaml'))).toBe(`\
- Free: null
  ID: '1'
  Name: m1 "tiny"
  Networks:
    private: 10.0.0.5
  RAM: 512
  Tags:
  - a
  - b
- Free: true
  ID: '2'
  Name: b,c
  Networks: {}
  RAM: 16384
  Tags: []
`);
  });

  it('as value: one row a line, None for null', async () => {
    expect(await formatList(table, options('value'))).toBe(
      `1 m1 "tiny" 512 None {'private': '10.0.0.5'} ['a', 'b']\n2 b,c 16384 True {} []\n`,
    );
  });

  it.each([
    ['nonnumeric', '"ID","Name","RAM"\n"1","m1 ""tiny""",512\n"2","b,c",16384\n'],
    ['all', '"ID","Name","RAM"\n"1","m1 ""tiny""","512"\n"2","b,c","16384"\n'],
    ['minimal', 'ID,Name,RAM\n1,"m1 ""tiny""",512\n2,"b,c",16384\n'],
    ['none', 'ID,Name,RAM\n1,m1 "tiny",512\n2,b,c,16384\n'],
  ])('as csv with quoting %s', async (quote, text) => {
    expect(await formatList(table, options('csv', { quote, columns: ['ID', 'Name', 'RAM'] }))).toBe(text);
  });

  it('without rows is an empty line, or an empty table when it is asked for', async () => {
    const none = { columns: ['ID'], rows: [] };
    expect(await formatList(none, options('table'))).toBe('\n');
    expect(await formatList(none, options('table', { printEmpty: true }))).toBe('+----+\n| ID |\n+----+\n+----+\n');
    expect(await formatList(none, options('json'))).toBe('[]\n');
    expect(await formatList(none, options('value'))).toBe('');
  });

  it('shows the chosen columns in the order asked for, in any case', async () => {
    expect(await formatList(table, options('value', { columns: ['ram', 'ID'] }))).toBe('512 1\n16384 2\n');
  });

  it('names the columns there are when none of those asked for is', async () => {
    await expect(formatList(table, options('value', { columns: ['Size'] }))).rejects.toThrow(
      "No recognized column names in ['Size']. Recognized columns are ['ID', 'Name', 'RAM', 'Free', 'Networks', 'Tags'].",
    );
  });

  it('sorts by a column, numbers as numbers', async () => {
    const sizes = { columns: ['N'], rows: [[10], [9], [100]] };
    expect(await formatList(sizes, options('value', { sort: ['N'] }))).toBe('9\n10\n100\n');
    expect(await formatList(sizes, options('value', { sort: ['n'], descending: true }))).toBe('100\n10\n9\n');
  });

  it('folds what is wider than the terminal', async () => {
    const long = { columns: ['ID', 'Text'], rows: [['1', 'a sentence that is too long for it']] };
    const lines = (await formatList(long, options('table', { width: 30 }))).trimEnd().split('\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(30);
    expect(lines.join(' ')).toContain('too long');
  });

  it('has no shell format', async () => {
    await expect(formatList(table, options('shell'))).rejects.toThrow('one thing at a time');
  });
});

describe('one thing', () => {
  it('as table: field and value, a line for each line of a value', async () => {
    expect(await formatShow(fields, options('table'))).toBe(`\
+------------+---------+
| Field      | Value   |
+------------+---------+
| id         | 7       |
| name       | it"s $x |
| is:public  | True    |
| properties | k=v     |
| none       | None    |
| list       | x, y    |
| text       | two     |
|            | lines   |
+------------+---------+
`);
  });

  it('as json: one object', async () => {
    expect(JSON.parse(await formatShow(fields, options('json')))).toEqual({
      ...fields,
      properties: { k: 'v' },
    });
  });

  it('as value: one a line', async () => {
    expect(await formatShow(fields, options('value', { columns: ['id', 'none', 'properties'] }))).toBe(
      "7\nNone\n{'k': 'v'}\n",
    );
  });

  it('as shell: assignments that a shell may read without running anything', async () => {
    expect(await formatShow(fields, options('shell', { prefix: 'os_', columns: ['name', 'is:public'] }))).toBe(
      'os_name="it\\"s \\$x"\nos_is_public="True"\n',
    );
  });

  it('has no csv format', async () => {
    await expect(formatShow(fields, options('csv'))).rejects.toThrow('csv is for lists');
  });
});
